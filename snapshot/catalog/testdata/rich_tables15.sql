-- The same, since PostgreSQL 15.
CREATE TABLE more.nulls (a integer, b integer, CONSTRAINT one_null UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b) DEFERRABLE);
CREATE TABLE more.set_some (a date, b integer, CONSTRAINT some_key FOREIGN KEY (a, b) REFERENCES more.measures (at, city) ON DELETE SET DEFAULT (b));
CREATE UNLOGGED TABLE more.unlogged (id serial, i integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE more.unlogged_id_seq SET LOGGED;
CREATE TABLE more.rounded (o numeric(5,-2), p numeric(2,5));
CREATE VIEW more.invoked WITH (security_invoker) AS SELECT a FROM more.nulls;
