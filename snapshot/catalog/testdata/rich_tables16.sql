-- The same, since PostgreSQL 16.
CREATE TABLE more.gen_one (a integer, g integer GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE more.gen_other (x integer, g integer GENERATED ALWAYS AS (x * 22) STORED);
CREATE TABLE more.gen_both (g integer GENERATED ALWAYS AS (x + 1) STORED) INHERITS (more.gen_one, more.gen_other);
