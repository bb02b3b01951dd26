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

-- Foreign data wrappers, servers, user mappings.
CREATE FOREIGN DATA WRAPPER bare_wrapper;
CREATE FOREIGN DATA WRAPPER "Wrapper" VALIDATOR postgresql_fdw_validator;
CREATE FOREIGN DATA WRAPPER with_options OPTIONS (host 'it''s \ here', "dbname" '');
CREATE SERVER of_wrapper FOREIGN DATA WRAPPER "Wrapper" OPTIONS (host 'h', dbname 'd');
COMMENT ON FOREIGN DATA WRAPPER "Wrapper" IS 'a wrapper';
CREATE FUNCTION side.validator(text[], oid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FOREIGN DATA WRAPPER own_validator VALIDATOR side.validator OPTIONS ("Odd Name" 'a=b');
GRANT USAGE ON FOREIGN DATA WRAPPER own_validator TO cat_owner WITH GRANT OPTION;
CREATE EXTENSION postgres_fdw SCHEMA ext;
CREATE EXTENSION file_fdw SCHEMA ext;
CREATE SERVER bare FOREIGN DATA WRAPPER bare_wrapper;
CREATE SERVER "Far Away" TYPE 'a type' VERSION '1''2' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', port '1', dbname 'x');
COMMENT ON SERVER "Far Away" IS 'a server';
ALTER SERVER "Far Away" OWNER TO cat_owner;
GRANT USAGE ON FOREIGN SERVER "Far Away" TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER "Far Away" TO cat_reader WITH GRANT OPTION;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER validated FOREIGN DATA WRAPPER own_validator OPTIONS ("a b" 'c');
CREATE USER MAPPING FOR PUBLIC SERVER "Far Away" OPTIONS ("user" 'u', password 'it''s \ secret');
CREATE USER MAPPING FOR cat_reader SERVER "Far Away" OPTIONS (password_required 'false');
CREATE USER MAPPING FOR "4242" SERVER bare;

-- Foreign tables.
CREATE FOREIGN TABLE side.plain (a integer OPTIONS (column_name 'other "name"') NOT NULL, b text COLLATE "C" DEFAULT 'x', g integer GENERATED ALWAYS AS (a * 2) STORED,
  CONSTRAINT positive CHECK (a > 0), CONSTRAINT here CHECK (b <> '') NO INHERIT) SERVER "Far Away" OPTIONS (schema_name 'Some', table_name 'Thing', updatable 'false');
ALTER FOREIGN TABLE side.plain ADD CONSTRAINT later CHECK (a < 99) NOT VALID;
ALTER FOREIGN TABLE side.plain ALTER a SET STATISTICS 44, ALTER b SET STORAGE EXTERNAL, ALTER b SET (n_distinct = 7);
ALTER FOREIGN TABLE side.plain OWNER TO cat_owner;
COMMENT ON FOREIGN TABLE side.plain IS 'a foreign table';
COMMENT ON COLUMN side.plain.b IS 'its column';
COMMENT ON CONSTRAINT positive ON side.plain IS 'its check';
GRANT SELECT ON side.plain TO cat_reader;
GRANT UPDATE (b) ON side.plain TO cat_reader;
CREATE TRIGGER touch BEFORE UPDATE ON side.plain FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER FOREIGN TABLE side.plain DISABLE TRIGGER touch;
COMMENT ON TRIGGER touch ON side.plain IS 'its trigger';
CREATE STATISTICS side.plain_stats ON a, b FROM side.plain;
ALTER STATISTICS side.plain_stats SET STATISTICS 9;
CREATE FOREIGN TABLE side.serial (id serial, i bigint GENERATED BY DEFAULT AS IDENTITY) SERVER bare;
CREATE FOREIGN TABLE "Out Side"."No Columns" () SERVER bare;
CREATE FOREIGN TABLE side.csv (a integer, b text) SERVER files OPTIONS (filename '/nowhere/file.csv', format 'csv');
CREATE VIEW side.over_csv AS SELECT * FROM side.csv;
CREATE FUNCTION side.of_csv(side.csv) RETURNS integer LANGUAGE sql AS 'SELECT 1';
-- Parents and children of foreign tables.
CREATE TABLE side.local_parent (a integer DEFAULT 1, b text);
CREATE FOREIGN TABLE side.foreign_child (c integer) INHERITS (side.local_parent) SERVER bare;
ALTER FOREIGN TABLE side.foreign_child ALTER a SET DEFAULT 2, ALTER b OPTIONS (ADD "x" 'y');
CREATE TABLE side.local_grandchild (d integer) INHERITS (side.foreign_child);
-- Partitions, the index of the partitioned table being complete without them.
CREATE TABLE side.parted (at date NOT NULL, what text DEFAULT 'w', CHECK (what <> '')) PARTITION BY RANGE (at);
CREATE INDEX parted_at ON side.parted (at);
CREATE TABLE side.parted_near PARTITION OF side.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE FOREIGN TABLE side.parted_far PARTITION OF side.parted (what DEFAULT 'f') FOR VALUES FROM ('2000-01-01') TO ('2024-01-01') SERVER "Far Away" OPTIONS (table_name 'p');
CREATE FOREIGN TABLE side.parted_rest PARTITION OF side.parted DEFAULT SERVER bare;
CREATE TRIGGER parted_touch AFTER INSERT ON side.parted FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TABLE side.all_far (k integer) PARTITION BY LIST (k);
CREATE INDEX all_far_k ON side.all_far (k);
CREATE FOREIGN TABLE side.all_far_1 PARTITION OF side.all_far FOR VALUES IN (1, NULL) SERVER bare;
CREATE MATERIALIZED VIEW side.from_far AS SELECT at FROM side.parted WITH NO DATA;

-- Publications. One of all tables must not keep tables without a key from being updated.
CREATE PUBLICATION out_all FOR ALL TABLES WITH (publish = 'insert, truncate');
COMMENT ON PUBLICATION out_all IS 'of all tables';
CREATE PUBLICATION out_nothing WITH (publish = '');
CREATE PUBLICATION "Out One" FOR TABLE ONLY app.mother, side.parted, side.parted_near WITH (publish = 'truncate', publish_via_partition_root);

-- Event triggers in every state.
CREATE FUNCTION side."On Event"() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER out_start ON ddl_command_start WHEN TAG IN ('CREATE CAST') EXECUTE FUNCTION side."On Event"();
CREATE EVENT TRIGGER "Out Drop" ON sql_drop WHEN TAG IN ('DROP TEXT SEARCH PARSER', 'DROP SERVER') EXECUTE FUNCTION side."On Event"();
CREATE EVENT TRIGGER out_rewrite ON table_rewrite EXECUTE FUNCTION side."On Event"();
CREATE EVENT TRIGGER out_always ON ddl_command_end WHEN TAG IN ('CREATE CONVERSION') EXECUTE FUNCTION side."On Event"();
ALTER EVENT TRIGGER "Out Drop" ENABLE REPLICA;
ALTER EVENT TRIGGER out_always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER "Out Drop" IS 'an event trigger''s';

-- Extended statistics.
CREATE STATISTICS side.mcv_only (mcv) ON body, config FROM side.documents;
CREATE STATISTICS side.one_expression ON (length(body)) FROM side.documents;
CREATE STATISTICS side.expressions (ndistinct, dependencies) ON config, (lower(body)), (length(body) + 1) FROM side.documents;
CREATE STATISTICS side.of_parted ON at, what FROM side.parted;
ALTER STATISTICS side.of_parted SET STATISTICS 0;
CREATE MATERIALIZED VIEW side.gathered AS SELECT body, config FROM side.documents;
CREATE STATISTICS "Out Side"."Of View" ON body, config FROM side.gathered;
ALTER STATISTICS "Out Side"."Of View" OWNER TO cat_owner;
COMMENT ON STATISTICS "Out Side"."Of View" IS 'statistics of a materialized view';

-- Extensions: one needs another, one was moved, one lost its comment.
CREATE EXTENSION cube SCHEMA ext;
CREATE EXTENSION earthdistance SCHEMA side;
CREATE EXTENSION seg SCHEMA ext;
ALTER EXTENSION seg SET SCHEMA "Out Side";
COMMENT ON EXTENSION seg IS NULL;
CREATE TABLE side.segments (s "Out Side".seg, place side.earth);

-- Collations.
CREATE COLLATION side.copied FROM "C";
CREATE COLLATION side.parts (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
CREATE COLLATION "Out Side"."Insensitive" (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE COLLATION side.phonebook (PROVIDER = icu, LOCALE = 'de-u-co-phonebk');
COMMENT ON COLLATION "Out Side"."Insensitive" IS 'a collation''s';
ALTER COLLATION "Out Side"."Insensitive" OWNER TO cat_owner;
CREATE TABLE side.collated (a text COLLATE "Out Side"."Insensitive" UNIQUE, b text COLLATE side.phonebook);
CREATE INDEX collated_b ON side.collated (b COLLATE side.copied);
