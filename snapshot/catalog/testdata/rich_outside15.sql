-- What PostgreSQL 15 added.
CREATE PUBLICATION out_filtered FOR TABLE side.documents (body, config) WHERE (length(body) > 3 AND config IS NOT NULL), side.segments, app.nothing WHERE (false) WITH (publish = 'insert');
CREATE PUBLICATION "Out Schemas" FOR TABLE app.nothing, app.mother WHERE (id = 5), TABLES IN SCHEMA "Out Side", side WITH (publish = 'insert');
COMMENT ON PUBLICATION "Out Schemas" IS 'of schemas';
CREATE PUBLICATION out_one_column FOR TABLE side.collated (b);
ALTER PUBLICATION out_one_column OWNER TO cat_owner;
