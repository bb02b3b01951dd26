-- Objects beside the tables: text search, foreign data, publications and event triggers, collations, privileges.
CREATE SCHEMA "Out Side";
CREATE SCHEMA side AUTHORIZATION cat_owner;
GRANT USAGE ON SCHEMA side TO PUBLIC;

-- Text search.
CREATE TEXT SEARCH PARSER side."My Parser" (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, HEADLINE = prsd_headline, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH PARSER side.bare (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
COMMENT ON TEXT SEARCH PARSER side.bare IS 'a parser';
CREATE TEXT SEARCH TEMPLATE side."My Template" (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH TEMPLATE side.bare (LEXIZE = dsimple_lexize);
COMMENT ON TEXT SEARCH TEMPLATE side.bare IS 'a template';
CREATE TEXT SEARCH DICTIONARY side.simple (TEMPLATE = side."My Template", STOPWORDS = english, Accept = false);
CREATE TEXT SEARCH DICTIONARY "Out Side"."Stem" (TEMPLATE = snowball, LANGUAGE = german);
CREATE TEXT SEARCH DICTIONARY side.synonyms (TEMPLATE = synonym, SYNONYMS = synonym_sample);
CREATE TEXT SEARCH DICTIONARY side.no_options (TEMPLATE = pg_catalog.simple);
COMMENT ON TEXT SEARCH DICTIONARY side.synonyms IS 'a dictionary';
ALTER TEXT SEARCH DICTIONARY side.synonyms OWNER TO cat_owner;
CREATE TEXT SEARCH CONFIGURATION side.words (PARSER = side."My Parser");
ALTER TEXT SEARCH CONFIGURATION side.words ADD MAPPING FOR asciiword, word WITH side.synonyms, side.simple, "Out Side"."Stem";
ALTER TEXT SEARCH CONFIGURATION side.words ADD MAPPING FOR int, float, url WITH pg_catalog.simple;
ALTER TEXT SEARCH CONFIGURATION side.words ADD MAPPING FOR email WITH side.no_options;
COMMENT ON TEXT SEARCH CONFIGURATION side.words IS 'a configuration';
ALTER TEXT SEARCH CONFIGURATION side.words OWNER TO cat_owner;
CREATE TEXT SEARCH CONFIGURATION "Out Side"."Copied" (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION "Out Side"."Copied" ALTER MAPPING REPLACE english_stem WITH "Out Side"."Stem";
ALTER TEXT SEARCH CONFIGURATION "Out Side"."Copied" DROP MAPPING FOR version;
CREATE TEXT SEARCH CONFIGURATION side.empty (PARSER = default);
-- Used by an index, a generated column, a default, a trigger, a function's default, a view and a domain.
CREATE TABLE side.documents (body text, config regconfig DEFAULT 'side.words', found tsvector GENERATED ALWAYS AS (to_tsvector('side.words', body)) STORED, late tsvector,
  CHECK (ts_lexize('side.no_options', body) IS NOT NULL));
CREATE INDEX documents_body ON side.documents USING gin (to_tsvector('"Out Side"."Copied"', body));
CREATE TRIGGER tsv BEFORE INSERT ON side.documents FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(late, 'side.words', body);
CREATE FUNCTION side.search(text, regconfig DEFAULT 'side.empty') RETURNS tsvector LANGUAGE sql AS 'SELECT to_tsvector($2, $1)';
CREATE VIEW side.searched AS SELECT to_tsvector('side.words', body) AS v FROM side.documents;
