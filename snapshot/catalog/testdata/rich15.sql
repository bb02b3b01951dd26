-- What PostgreSQL 15 added.
CREATE TABLE app.nnd (a integer UNIQUE NULLS NOT DISTINCT, b integer);
CREATE UNIQUE INDEX nnd_b ON app.nnd (b) NULLS NOT DISTINCT WHERE a > 1;
CREATE VIEW app.invoker WITH (security_invoker = true) AS SELECT * FROM app.nnd;
CREATE UNLOGGED SEQUENCE app.unlogged_sequence;
CREATE PUBLICATION filtered FOR TABLE app.nnd (a), app.users WHERE (score > 1);
CREATE PUBLICATION schemas FOR TABLE app.nnd, TABLES IN SCHEMA "Mixed Case";
ALTER PUBLICATION filtered SET (publish = 'insert');
CREATE TABLE app.del2 (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE app.del (a integer, b integer, FOREIGN KEY (a, b) REFERENCES app.del2 ON DELETE SET NULL (a));
CREATE UNLOGGED TABLE app.mixed (id integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE app.mixed_id_seq SET LOGGED;
