CREATE TABLE kinds (id serial PRIMARY KEY, name text NOT NULL, parent integer REFERENCES kinds, builtin boolean DEFAULT false, loud text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE rates (kind integer NOT NULL REFERENCES kinds, rate numeric, note text);
CREATE TABLE cached (a integer);
INSERT INTO kinds (id, name, builtin) VALUES (-1, 'none', true), (-2, 'some', true);
INSERT INTO cached VALUES (1);
SELECT pg_catalog.pg_extension_config_dump('kinds', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('kinds_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('rates', '');
