package pgtest

// Schema is a database with many forms of tables and values.
var Schema = []string{
	`CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`,
	`CREATE DOMAIN positive AS int CHECK (VALUE > 0)`,
	`CREATE TYPE pair AS (a int, b text)`,
	`CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE, mood mood DEFAULT 'ok',
		born timestamptz DEFAULT now(), doubled int GENERATED ALWAYS AS (length(name) * 2) STORED)`,
	`CREATE TABLE orders (id serial PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, amount numeric(10,2), items text[], p pair, n positive, j jsonb, raw bytea)`,
	`CREATE INDEX ON orders (user_id)`,
	`CREATE TABLE log (line text, at timestamp)`,
	`CREATE TABLE events (id int, day date NOT NULL, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)`,
	`CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
	`CREATE TABLE events_rest PARTITION OF events DEFAULT`,
	`CREATE VIEW happy AS SELECT * FROM users WHERE mood = 'happy'`,
	`CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := NEW.name || ''!''; RETURN NEW; END'`,
	`CREATE TRIGGER bumping BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.name = 'bump') EXECUTE FUNCTION bump()`,
	`INSERT INTO users (name, email, mood) SELECT 'user' || i, i || '@x', (ARRAY['sad','ok','happy'])[1 + i % 3]::mood FROM generate_series(1, 2000) i`,
	`INSERT INTO users (name, email) VALUES ('bump', NULL), (E'tab\tnew\nline\\slash', ''), ('', 'empty')`,
	`INSERT INTO orders (user_id, amount, items, p, n, j, raw) SELECT 1 + i % 2000, i / 7.0, ARRAY['a,b', NULL, '"q"'], ROW(i, 'x' || i)::pair, i, jsonb_build_object('i', i), decode(md5(i::text), 'hex') FROM generate_series(1, 3000) i`,
	`INSERT INTO log SELECT 'line ' || i % 50, '2024-01-01'::timestamp FROM generate_series(1, 500) i`,
	`INSERT INTO events SELECT i, '2024-06-01'::date + i, 'e' || i FROM generate_series(1, 400) i`,
}
