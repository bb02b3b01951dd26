-- What PostgreSQL 18 added.
CREATE TABLE app.named_nulls (a integer CONSTRAINT "a must be" NOT NULL, b integer NOT NULL NO INHERIT, c integer,
  v integer GENERATED ALWAYS AS (a + 1) VIRTUAL, w integer GENERATED ALWAYS AS (a + 2));
ALTER TABLE app.named_nulls ADD CONSTRAINT c_later NOT NULL c NOT VALID;
COMMENT ON CONSTRAINT "a must be" ON app.named_nulls IS 'a not null';
CREATE TABLE app.named_child (d integer, CONSTRAINT own_name NOT NULL a) INHERITS (app.named_nulls);
CREATE TABLE app.temporal (id integer, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE app.temporal_ref (id integer, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES app.temporal (id, PERIOD valid));
CREATE TABLE app.unenforced (a integer CONSTRAINT a_not CHECK (a > 0) NOT ENFORCED, u bigint REFERENCES app.users (id) NOT ENFORCED);
CREATE PUBLICATION gen FOR TABLE app.users WITH (publish_generated_columns = stored);
