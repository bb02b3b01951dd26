-- A database with every kind the model holds, in many variants. Roles are made by the test.
SET check_function_bodies = off;
CREATE SCHEMA app AUTHORIZATION cat_owner;
COMMENT ON SCHEMA app IS 'the application''s';
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA ext;
GRANT USAGE ON SCHEMA app TO cat_reader, PUBLIC;
GRANT CREATE ON SCHEMA app TO cat_reader WITH GRANT OPTION;
GRANT CREATE ON SCHEMA public TO cat_reader;
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION btree_gist;
CREATE EXTENSION citext SCHEMA ext;
COMMENT ON EXTENSION hstore IS 'changed \ comment';

-- Collations and types.
CREATE COLLATION app.posix (provider = libc, lc_collate = 'C', lc_ctype = 'C');
COMMENT ON COLLATION app.posix IS 'a collation';
ALTER COLLATION app.posix OWNER TO cat_owner;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s \ fine', 'happy');
ALTER TYPE app.mood ADD VALUE 'meh' BEFORE 'ok';
COMMENT ON TYPE app.mood IS 'an enum';
ALTER TYPE app.mood OWNER TO cat_owner;
REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
GRANT USAGE ON TYPE app.mood TO cat_reader;
CREATE TYPE app.empty_enum AS ENUM ();
CREATE TYPE app.empty_composite AS ();
CREATE TYPE app.pair AS (a integer, b numeric(10,2), c text COLLATE app.posix, "D e" app.mood[]);
COMMENT ON COLUMN app.pair."D e" IS 'an attribute';
ALTER TYPE app.pair DROP ATTRIBUTE a;
CREATE FUNCTION app.is_even(n integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT n % 2 = 0';
CREATE DOMAIN app.even AS integer DEFAULT 2 NOT NULL CONSTRAINT even_check CHECK (app.is_even(VALUE));
COMMENT ON DOMAIN app.even IS 'a domain';
COMMENT ON CONSTRAINT even_check ON DOMAIN app.even IS 'its check';
CREATE DOMAIN app.name AS varchar(40) COLLATE app.posix CHECK (VALUE <> '') CONSTRAINT name_short CHECK (length(VALUE) < 40);
ALTER DOMAIN app.name ADD CONSTRAINT late CHECK (VALUE <> 'x') NOT VALID;
GRANT USAGE ON TYPE app.name TO cat_reader WITH GRANT OPTION;
CREATE DOMAIN app.names AS app.name[];
-- A domain whose check takes the domain itself.
CREATE DOMAIN app.loop AS text;
CREATE FUNCTION app.loop_ok(app.loop) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> ''x''';
ALTER DOMAIN app.loop ADD CONSTRAINT loop_check CHECK (app.loop_ok(VALUE));
CREATE FUNCTION app.span(double precision, double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
CREATE TYPE app.floats AS RANGE (subtype = float8, subtype_diff = app.span, multirange_type_name = app.many_floats);
CREATE TYPE app.texts AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
COMMENT ON TYPE app.texts IS 'a range';
CREATE TYPE app.stepped;
CREATE FUNCTION app.stepped_canonical(app.stepped) RETURNS app.stepped LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE app.stepped AS RANGE (subtype = integer, canonical = app.stepped_canonical);
CREATE TYPE app.nested AS (p app.pair, r app.many_floats, e app.even);

-- Functions.
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note := 'x'; RETURN NEW; END$$;
CREATE FUNCTION app.f(a integer, b text DEFAULT 'q''', VARIADIC c numeric[] DEFAULT '{}') RETURNS TABLE (x integer, y text)
  LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER PARALLEL SAFE COST 7 ROWS 3 LEAKPROOF SET search_path = app, "Mixed Case" SET work_mem = '1MB'
  AS $f$BEGIN RETURN QUERY SELECT a, b || '$function$'; END$f$;
COMMENT ON FUNCTION app.f(integer, text, numeric[]) IS 'a function';
ALTER FUNCTION app.f(integer, text, numeric[]) OWNER TO cat_owner;
REVOKE ALL ON FUNCTION app.f(integer, text, numeric[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.f(integer, text, numeric[]) TO cat_reader;
CREATE FUNCTION app.f(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.outs(INOUT a integer, OUT b text) LANGUAGE sql AS 'SELECT a, ''b''::text';
CREATE PROCEDURE app.p(IN a integer, INOUT b integer) LANGUAGE plpgsql AS 'BEGIN b := a; END';
COMMENT ON PROCEDURE app.p(integer, integer) IS 'a procedure';
GRANT EXECUTE ON PROCEDURE app.p(integer, integer) TO cat_reader;
CREATE FUNCTION app.atomic(n integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT n + 1; END;
CREATE FUNCTION app.uses_hstore(ext.hstore) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''x''';
ALTER FUNCTION app.uses_hstore(ext.hstore) DEPENDS ON EXTENSION hstore;
CREATE CAST (app.pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE FUNCTION app.mood_number(app.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (app.mood AS integer) WITH FUNCTION app.mood_number(app.mood);
COMMENT ON CAST (app.mood AS integer) IS 'a cast';

-- Sequences.
CREATE SEQUENCE app.plain;
CREATE SEQUENCE app.odd AS smallint START 7 INCREMENT -3 MINVALUE -100 MAXVALUE 99 CACHE 5 CYCLE;
COMMENT ON SEQUENCE app.odd IS 'a sequence';
ALTER SEQUENCE app.odd OWNER TO cat_owner;
GRANT USAGE, SELECT ON SEQUENCE app.odd TO cat_reader;

-- Tables.
CREATE TABLE app.users (
  id bigserial PRIMARY KEY,
  email ext.citext NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED,
  "Select" text DEFAULT 'a''b\c' COLLATE "C",
  mood app.mood DEFAULT 'ok' NOT NULL,
  pairs app.pair[],
  lucky app.even,
  attrs ext.hstore,
  gone integer,
  score numeric(12,3) DEFAULT round(random()::numeric, 3),
  doubled integer GENERATED ALWAYS AS (length("Select") * 2) STORED,
  created timestamptz(3) DEFAULT now(),
  big text, wide text,
  bits bit varying(9), iv interval day to second(2), ch "char", c10 character(10), tz time with time zone,
  CONSTRAINT lucky_small CHECK (lucky < 100),
  CONSTRAINT here_only CHECK (id > 0) NO INHERIT
) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE app.users DROP COLUMN gone;
ALTER TABLE app.users ADD COLUMN added integer DEFAULT 42 NOT NULL;
ALTER TABLE app.users ALTER big SET STORAGE EXTERNAL, ALTER wide SET COMPRESSION pglz, ALTER wide SET STATISTICS 333, ALTER id SET (n_distinct = -0.5);
ALTER TABLE app.users OWNER TO cat_owner;
COMMENT ON TABLE app.users IS E'users\nwith a line';
COMMENT ON COLUMN app.users."Select" IS 'a \ column';
COMMENT ON CONSTRAINT lucky_small ON app.users IS 'a check';
COMMENT ON CONSTRAINT users_pkey ON app.users IS 'the key';
COMMENT ON INDEX app.users_pkey IS 'its index';
GRANT SELECT, INSERT ON app.users TO cat_reader WITH GRANT OPTION;
GRANT UPDATE (mood, "Select"), REFERENCES (id) ON app.users TO cat_reader;
GRANT SELECT (id) ON app.users TO PUBLIC;
REVOKE TRUNCATE ON app.users FROM cat_owner;
SET SESSION AUTHORIZATION cat_reader; GRANT SELECT ON app.users TO cat_other; RESET SESSION AUTHORIZATION;
CREATE UNIQUE INDEX users_lower ON app.users (lower(email::text) DESC NULLS LAST, "Select" text_pattern_ops) INCLUDE (id) WITH (fillfactor = 80) WHERE lucky > 1 OR mood <> 'sad';
CREATE INDEX users_expr ON app.users USING btree (((lucky + 1)), ((lucky * 2)), created);
ALTER INDEX app.users_expr ALTER COLUMN 2 SET STATISTICS 77;
CREATE INDEX users_hash ON app.users USING hash (mood) WHERE (mood = 'ok'::app.mood);
COMMENT ON INDEX app.users_expr IS 'an index';
CREATE INDEX users_brin ON app.users USING brin (created) WITH (pages_per_range = 16);
ALTER TABLE app.users CLUSTER ON users_expr;
ALTER TABLE app.users REPLICA IDENTITY FULL;
CREATE STATISTICS app.users_stats (dependencies, ndistinct) ON lucky, mood FROM app.users;
CREATE STATISTICS app.users_expr_stats ON (lucky + 1), mood FROM app.users;
ALTER STATISTICS app.users_stats SET STATISTICS 55;
COMMENT ON STATISTICS app.users_stats IS 'statistics';
ALTER STATISTICS app.users_stats OWNER TO cat_owner;

CREATE TABLE app.orders (
  id integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME app."Orders Seq" START 100 INCREMENT 10 CACHE 3) PRIMARY KEY,
  alt bigint GENERATED BY DEFAULT AS IDENTITY (MINVALUE -5 MAXVALUE 500 CYCLE),
  user_id bigint REFERENCES app.users ON DELETE CASCADE ON UPDATE SET NULL,
  parent integer CONSTRAINT parent_fk REFERENCES app.orders (id) DEFERRABLE INITIALLY DEFERRED,
  during tsrange, room integer, room_ref text,
  total money DEFAULT 0, note text, code integer DEFAULT nextval('app.plain'), serial serial,
  twice text DEFAULT ('P' || nextval('app.odd')),
  CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WITH (fillfactor = 50) WHERE (room IS NOT NULL) DEFERRABLE,
  UNIQUE (room, note) INCLUDE (total) WITH (fillfactor = 60)
);
COMMENT ON SEQUENCE app."Orders Seq" IS 'identity';
GRANT USAGE ON SEQUENCE app."Orders Seq" TO cat_reader;
COMMENT ON CONSTRAINT parent_fk ON app.orders IS 'a foreign key';
ALTER TABLE app.orders ADD CONSTRAINT not_yet CHECK (room > 0) NOT VALID;
ALTER TABLE app.orders ADD CONSTRAINT unchecked FOREIGN KEY (alt) REFERENCES app.users (id) MATCH FULL NOT VALID;
CREATE UNLOGGED TABLE "Mixed Case"."Un Logged" ("Id" integer PRIMARY KEY, "a.b" text UNIQUE, z integer UNIQUE);
ALTER TABLE "Mixed Case"."Un Logged" REPLICA IDENTITY USING INDEX "Un Logged_pkey";
CREATE TABLE app.nothing ();
CREATE TABLE app.no_identity (a integer);
ALTER TABLE app.no_identity REPLICA IDENTITY NOTHING;
CREATE TABLE public.composite_typed OF app.pair (b NOT NULL DEFAULT 1, PRIMARY KEY (b));
CREATE TABLE public.typed_plain OF app.pair;
-- A check on the whole row, a default and a function that need each other.
CREATE TABLE app.whole (a integer, b integer, d integer);
CREATE FUNCTION app.whole_ok(app.whole) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION app.whole_default(app.whole DEFAULT NULL) RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER TABLE app.whole ADD CONSTRAINT whole_check CHECK (app.whole_ok(whole.*)), ALTER d SET DEFAULT app.whole_default();
ALTER TABLE app.whole ADD CONSTRAINT whole_plain CHECK (whole.* IS NOT NULL AND 'whole.*' <> b::text);

-- Inheritance.
CREATE TABLE app.mother (id integer NOT NULL, name text DEFAULT 'm', extra integer, CONSTRAINT m_check CHECK (id > 0));
CREATE TABLE app.father (id integer, tag text DEFAULT 't' NOT NULL, CONSTRAINT f_check CHECK (tag <> '') NO INHERIT);
CREATE TABLE app.child2 (CONSTRAINT m_check CHECK (id > 0)) INHERITS (app.mother);
ALTER TABLE app.mother ADD COLUMN later integer DEFAULT 9;
CREATE TABLE app.child (own text, name text DEFAULT 'c', CONSTRAINT c_check CHECK (own <> 'x')) INHERITS (app.mother, app.father);
ALTER TABLE app.child2 ALTER name DROP DEFAULT, ALTER extra SET DEFAULT 5, ALTER name SET NOT NULL;
ALTER TABLE app.mother ADD CONSTRAINT m_late CHECK (extra <> 99) NOT VALID;
CREATE TABLE app.valid_child () INHERITS (app.mother);
CREATE TABLE app.grandchild () INHERITS (app.child);

-- Partitions.
CREATE TABLE app.log (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, region text NOT NULL DEFAULT 'eu', what text, user_id bigint,
  PRIMARY KEY (id, at, region), CONSTRAINT log_check CHECK (what <> '')) PARTITION BY RANGE (at, region);
CREATE INDEX log_what ON app.log (what);
CREATE INDEX log_only ON ONLY app.log (user_id);
CREATE TABLE app.log_old PARTITION OF app.log FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2024-01-01 00:00+00', 'a');
CREATE TABLE app.log_2024 (what text, dropped integer, region text NOT NULL, user_id bigint, at timestamptz NOT NULL, id bigint NOT NULL, CONSTRAINT log_check CHECK (what <> ''), CONSTRAINT own_check CHECK (user_id > 0));
ALTER TABLE app.log_2024 DROP COLUMN dropped;
CREATE INDEX my_own_name ON app.log_2024 (what);
ALTER TABLE app.log ATTACH PARTITION app.log_2024 FOR VALUES FROM ('2024-01-01 00:00+00', 'a') TO ('2025-01-01 00:00+00', MAXVALUE);
CREATE TABLE app.log_default PARTITION OF app.log DEFAULT PARTITION BY LIST (region);
CREATE TABLE app.log_default_eu PARTITION OF app.log_default FOR VALUES IN ('eu', 'it''s', NULL) WITH (fillfactor = 50);
CREATE TABLE app.log_default_rest PARTITION OF app.log_default DEFAULT;
CREATE INDEX leaf_only ON app.log_default_eu (user_id);
ALTER TABLE app.log_default_eu ALTER region SET DEFAULT 'fr';
ALTER TABLE app.log ADD CONSTRAINT log_user FOREIGN KEY (user_id) REFERENCES app.users (id);
CREATE TABLE app.hashed (k integer PRIMARY KEY, v text) PARTITION BY HASH (k);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE UNLOGGED TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.to_hashed (k integer REFERENCES app.hashed, own integer CONSTRAINT own_ref REFERENCES app.hashed_0 (k));
CREATE TABLE app.by_expr (a integer, b text COLLATE app.posix) PARTITION BY RANGE (app.atomic(a), b COLLATE "C" text_pattern_ops);
CREATE TABLE app.by_expr_1 PARTITION OF app.by_expr FOR VALUES FROM (1, 'a') TO (5, 'b');

-- Views, in circles and chains.
CREATE VIEW app.active AS SELECT id, email, "Select" AS "Sel ect" FROM app.users WHERE mood <> 'sad';
ALTER VIEW app.active OWNER TO cat_owner;
ALTER VIEW app.active ALTER COLUMN id SET DEFAULT 5;
COMMENT ON VIEW app.active IS 'a view';
COMMENT ON COLUMN app.active.id IS 'a view''s column';
GRANT SELECT ON app.active TO cat_reader;
GRANT UPDATE ("Sel ect") ON app.active TO cat_reader;
CREATE VIEW app.checked WITH (security_barrier = true) AS SELECT * FROM app.no_identity WHERE a > 1 WITH CASCADED CHECK OPTION;
CREATE VIEW app.checked_local AS SELECT * FROM app.checked WITH LOCAL CHECK OPTION;
CREATE VIEW app.by_key AS SELECT id, email, count(*) AS n FROM app.users GROUP BY id;
CREATE VIEW app.over_by_key AS SELECT * FROM app.by_key;
CREATE FUNCTION app.reads_by_key() RETURNS SETOF app.by_key LANGUAGE sql AS 'SELECT * FROM app.by_key';
CREATE FUNCTION app.atomic_by_key() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT u.id FROM app.users u GROUP BY u.id HAVING max(u.email) > ''; END;
CREATE VIEW app.aa_circle AS SELECT 1 AS one, 'x'::text COLLATE "C" AS two;
CREATE FUNCTION app.circle() RETURNS SETOF app.aa_circle LANGUAGE plpgsql AS 'BEGIN RETURN; END';
CREATE OR REPLACE VIEW app.aa_circle WITH (security_barrier) AS SELECT one, two FROM app.circle();
CREATE MATERIALIZED VIEW app.zz_base AS SELECT id, email, mood FROM app.users;
CREATE MATERIALIZED VIEW app.aa_top WITH (fillfactor = 80) AS SELECT b.id, count(*) AS n FROM app.zz_base b GROUP BY b.id;
CREATE MATERIALIZED VIEW app.empty AS SELECT id FROM app.aa_top WITH NO DATA;
CREATE MATERIALIZED VIEW app.keyed AS SELECT id, email, count(*) FROM app.users GROUP BY id;
CREATE UNIQUE INDEX zz_base_id ON app.zz_base (id);
CREATE INDEX aa_top_n ON app.aa_top (n) WHERE n > 1;
ALTER MATERIALIZED VIEW app.zz_base CLUSTER ON zz_base_id;
ALTER MATERIALIZED VIEW app.zz_base ALTER email SET STATISTICS 12;
COMMENT ON MATERIALIZED VIEW app.zz_base IS 'a materialized view';
COMMENT ON COLUMN app.zz_base.mood IS 'its column';
COMMENT ON INDEX app.aa_top_n IS 'its index';
ALTER MATERIALIZED VIEW app.zz_base OWNER TO cat_owner;
GRANT SELECT ON app.zz_base TO cat_reader;

-- Triggers, rules, policies.
CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF note, room ON app.orders FOR EACH ROW WHEN (NEW.note IS DISTINCT FROM 'no') EXECUTE FUNCTION app.touch('a', 'b''c');
CREATE TRIGGER off AFTER DELETE ON app.orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION app.touch();
CREATE TRIGGER always AFTER TRUNCATE ON app.orders EXECUTE FUNCTION app.touch();
CREATE TRIGGER on_replica BEFORE DELETE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.orders DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER on_replica;
COMMENT ON TRIGGER touch ON app.orders IS 'a trigger';
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON app.orders FROM app.users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TRIGGER instead INSTEAD OF INSERT ON app.active FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TRIGGER cloned AFTER INSERT ON app.log FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.log_2024 DISABLE TRIGGER cloned;
CREATE RULE no_delete AS ON DELETE TO app.no_identity DO INSTEAD NOTHING;
CREATE RULE copy_insert AS ON INSERT TO app.no_identity WHERE NEW.a > 5 DO ALSO (INSERT INTO app.nothing DEFAULT VALUES; DELETE FROM app.nothing);
ALTER TABLE app.no_identity DISABLE RULE copy_insert;
CREATE RULE tell AS ON UPDATE TO app.no_identity DO ALSO NOTIFY "Some Thing";
COMMENT ON RULE no_delete ON app.no_identity IS 'a rule';
CREATE RULE view_update AS ON UPDATE TO app.checked_local DO INSTEAD UPDATE app.no_identity SET a = NEW.a WHERE a = OLD.a;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.users FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.orders USING (user_id = 1) WITH CHECK (room > 0);
CREATE POLICY strict ON app.orders AS RESTRICTIVE FOR UPDATE TO cat_reader, CURRENT_USER USING (EXISTS (SELECT FROM app.users u WHERE u.id = orders.user_id));
CREATE POLICY ins ON app.users FOR INSERT TO cat_owner WITH CHECK (true);
COMMENT ON POLICY mine ON app.orders IS 'a policy';

-- The database's own.
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER watch DISABLE;
COMMENT ON EVENT TRIGGER watch IS 'an event trigger';
CREATE PUBLICATION "some" FOR TABLE app.users, app.hashed WITH (publish = 'insert, update', publish_via_partition_root = true);
CREATE PUBLICATION nothing;
COMMENT ON PUBLICATION nothing IS 'a publication';
ALTER PUBLICATION nothing OWNER TO cat_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner IN SCHEMA app GRANT SELECT ON TABLES TO cat_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner GRANT USAGE ON SEQUENCES TO cat_reader WITH GRANT OPTION;

-- Rows, so that the data stage has something to do.
INSERT INTO app.users (email, lucky, "Select") VALUES ('a@x', 4, 'abc'), ('b@x', 6, 'd');
REFRESH MATERIALIZED VIEW app.zz_base;
