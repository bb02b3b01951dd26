-- What PostgreSQL 18 added.
CREATE COLLATION side.fast (PROVIDER = builtin, LOCALE = 'PG_UNICODE_FAST');
CREATE PUBLICATION out_generated FOR TABLE side.documents (body, found) WITH (publish = 'insert', publish_generated_columns = none);
CREATE PUBLICATION out_stored FOR TABLE app.users WITH (publish_generated_columns = stored);
ALTER DEFAULT PRIVILEGES FOR ROLE cat_other GRANT SELECT ON LARGE OBJECTS TO cat_reader;
CREATE FOREIGN TABLE side.newest (a integer CONSTRAINT "a must" NOT NULL NO INHERIT, v integer GENERATED ALWAYS AS (a + 1) VIRTUAL, CONSTRAINT loose CHECK (a > 0) NOT ENFORCED) SERVER bare;
ALTER FOREIGN TABLE side.newest ADD CONSTRAINT later NOT NULL v NOT VALID;
