-- Types, functions, aggregates, operators and what they are made of, in the variants of the manual's pages.
SET check_function_bodies = off;
CREATE SCHEMA kit AUTHORIZATION cat_owner;
CREATE SCHEMA "Far Kit";
GRANT USAGE ON SCHEMA kit, "Far Kit" TO PUBLIC;

-- Base types. Internal functions do their work.
CREATE TYPE kit.small;
CREATE FUNCTION kit.zz_small_in(cstring) RETURNS kit.small LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION kit.small_out(kit.small) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION kit.small_recv(internal) RETURNS kit.small LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE FUNCTION kit.small_send(kit.small) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'int4send';
CREATE TYPE kit.small (INPUT = kit.zz_small_in, OUTPUT = kit.small_out, RECEIVE = kit.small_recv, SEND = kit.small_send, LIKE = integer,
  CATEGORY = 'n', PREFERRED = true, DEFAULT = '7', DELIMITER = ';');
COMMENT ON TYPE kit.small IS 'a base type';
ALTER TYPE kit.small OWNER TO cat_owner;
REVOKE USAGE ON TYPE kit.small FROM PUBLIC;
GRANT USAGE ON TYPE kit.small TO cat_reader WITH GRANT OPTION;
ALTER FUNCTION kit.zz_small_in(cstring) OWNER TO cat_owner;
REVOKE EXECUTE ON FUNCTION kit.small_out(kit.small) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kit.small_out(kit.small) TO cat_reader;
CREATE TYPE kit."Wide Text";
CREATE FUNCTION kit."Wide In"(cstring, oid, integer) RETURNS kit."Wide Text" LANGUAGE internal STABLE STRICT AS 'varcharin';
CREATE FUNCTION kit."Wide Out"(kit."Wide Text") RETURNS cstring LANGUAGE internal STABLE STRICT AS 'varcharout';
CREATE FUNCTION kit.wide_mod_in(cstring[]) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodin';
CREATE FUNCTION kit.wide_mod_out(integer) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodout';
CREATE TYPE kit."Wide Text" (INPUT = kit."Wide In", OUTPUT = kit."Wide Out", TYPMOD_IN = kit.wide_mod_in, TYPMOD_OUT = kit.wide_mod_out,
  STORAGE = external, CATEGORY = 'S', DEFAULT = E'it''s \\', COLLATABLE = true, ALIGNMENT = int4);
CREATE TYPE kit.three;
CREATE FUNCTION kit.three_in(cstring, oid, integer) RETURNS kit.three LANGUAGE internal STABLE STRICT AS 'array_in';
CREATE FUNCTION kit.three_out(kit.three) RETURNS cstring LANGUAGE internal STABLE STRICT AS 'array_out';
CREATE FUNCTION kit.three_analyze(internal) RETURNS boolean LANGUAGE internal STRICT AS 'array_typanalyze';
CREATE FUNCTION kit.three_subscript(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'array_subscript_handler';
CREATE TYPE kit.three (INPUT = kit.three_in, OUTPUT = kit.three_out, ANALYZE = kit.three_analyze, SUBSCRIPT = kit.three_subscript,
  ELEMENT = kit.small, ALIGNMENT = double, STORAGE = main);
CREATE TYPE kit.fixed;
CREATE FUNCTION kit.fixed_in(cstring) RETURNS kit.fixed LANGUAGE internal IMMUTABLE STRICT AS 'point_in';
CREATE FUNCTION kit.fixed_out(kit.fixed) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'point_out';
CREATE TYPE kit.fixed (INPUT = kit.fixed_in, OUTPUT = kit.fixed_out, INTERNALLENGTH = 16, ALIGNMENT = double, ELEMENT = float8);
CREATE TYPE kit.letter;
CREATE FUNCTION kit.letter_in(cstring) RETURNS kit.letter LANGUAGE internal IMMUTABLE STRICT AS 'charin';
CREATE FUNCTION kit.letter_out(kit.letter) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'charout';
CREATE TYPE kit.letter (INPUT = kit.letter_in, OUTPUT = kit.letter_out, INTERNALLENGTH = 1, PASSEDBYVALUE, ALIGNMENT = char);
CREATE TYPE kit.whole;
CREATE FUNCTION kit.whole_in(cstring) RETURNS kit.whole LANGUAGE internal IMMUTABLE STRICT AS 'int2in';
CREATE FUNCTION kit.whole_out(kit.whole) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int2out';
CREATE TYPE kit.whole (INPUT = kit.whole_in, OUTPUT = kit.whole_out, LIKE = smallint);
-- Shells that stay so.
CREATE TYPE kit.shell;
COMMENT ON TYPE kit.shell IS 'a shell';
ALTER TYPE kit.shell OWNER TO cat_owner;
CREATE TYPE kit."Lone Shell";
CREATE FUNCTION kit.of_shell(kit.shell) RETURNS integer LANGUAGE internal AS 'int4out';

-- Their functions.
CREATE FUNCTION kit.small_diff(kit.small, kit.small) RETURNS double precision LANGUAGE internal IMMUTABLE STRICT AS 'int4range_subdiff';
CREATE FUNCTION kit.small_lt(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4lt';
CREATE FUNCTION kit.small_le(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4le';
CREATE FUNCTION kit.small_eq(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4eq';
CREATE FUNCTION kit.small_ne(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4ne';
CREATE FUNCTION kit.small_ge(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4ge';
CREATE FUNCTION kit.small_gt(kit.small, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'int4gt';
CREATE FUNCTION kit.small_cmp(kit.small, kit.small) RETURNS integer LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'btint4cmp';
CREATE FUNCTION kit.small_hash(kit.small) RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashint4';
CREATE FUNCTION kit.small_hash(kit.small, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashint4extended';
CREATE FUNCTION kit.small_int_lt(kit.small, integer) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION kit.small_int_eq(kit.small, integer) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION kit.int_small_eq(integer, kit.small) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION kit.small_int_cmp(kit.small, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';

-- Operators: every clause, partners in circles, prefix, shells.
CREATE OPERATOR kit.< (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_lt, COMMUTATOR = OPERATOR(kit.>), NEGATOR = OPERATOR(kit.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR kit.<= (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_le, COMMUTATOR = OPERATOR(kit.>=), NEGATOR = OPERATOR(kit.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR kit.= (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_eq, COMMUTATOR = OPERATOR(kit.=), NEGATOR = OPERATOR(kit.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR kit.<> (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_ne, COMMUTATOR = OPERATOR(kit.<>), NEGATOR = OPERATOR(kit.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR kit.>= (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_ge, COMMUTATOR = OPERATOR(kit.<=), NEGATOR = OPERATOR(kit.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR kit.> (LEFTARG = kit.small, RIGHTARG = kit.small, FUNCTION = kit.small_gt, COMMUTATOR = OPERATOR(kit.<), NEGATOR = OPERATOR(kit.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR kit.< (kit.small, kit.small) IS 'an operator';
ALTER OPERATOR kit.< (kit.small, kit.small) OWNER TO cat_owner;
CREATE OPERATOR kit.< (LEFTARG = kit.small, RIGHTARG = integer, FUNCTION = kit.small_int_lt);
CREATE OPERATOR kit.= (LEFTARG = kit.small, RIGHTARG = integer, FUNCTION = kit.small_int_eq, COMMUTATOR = OPERATOR("Far Kit".=), MERGES, HASHES);
CREATE OPERATOR "Far Kit".= (LEFTARG = integer, RIGHTARG = kit.small, FUNCTION = kit.int_small_eq, COMMUTATOR = OPERATOR(kit.=));
CREATE OPERATOR kit.!! (RIGHTARG = kit.small, FUNCTION = kit.small_out);
COMMENT ON OPERATOR kit.!! (NONE, kit.small) IS 'a prefix operator';
CREATE OPERATOR kit.@#@ (RIGHTARG = bigint, FUNCTION = int8abs);
CREATE OPERATOR kit.~!@#%^&|`?+ (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = int48pl, COMMUTATOR = OPERATOR("Far Kit".|>));
COMMENT ON OPERATOR "Far Kit".|> (bigint, integer) IS 'a shell of an operator';
ALTER OPERATOR "Far Kit".|> (bigint, integer) OWNER TO cat_owner;
CREATE OPERATOR kit.=== (LEFTARG = boolean, RIGHTARG = boolean, FUNCTION = booleq, COMMUTATOR = OPERATOR(kit.===), NEGATOR = OPERATOR(kit.!==));
CREATE FUNCTION kit.distance(kit.fixed, kit.fixed) RETURNS double precision LANGUAGE internal IMMUTABLE STRICT AS 'point_distance';
CREATE OPERATOR kit.<-> (LEFTARG = kit.fixed, RIGHTARG = kit.fixed, FUNCTION = kit.distance, COMMUTATOR = OPERATOR(kit.<->));

-- Families and classes: members of a class, of the family, across types; default, storage, another family's order.
CREATE OPERATOR FAMILY kit.small_family USING btree;
COMMENT ON OPERATOR FAMILY kit.small_family USING btree IS 'a family';
ALTER OPERATOR FAMILY kit.small_family USING btree OWNER TO cat_owner;
CREATE OPERATOR CLASS kit.zz_small_ops DEFAULT FOR TYPE kit.small USING btree FAMILY kit.small_family AS
  OPERATOR 1 kit.<, OPERATOR 2 kit.<=, OPERATOR 3 kit.=, OPERATOR 4 kit.>=, OPERATOR 5 kit.>, FUNCTION 1 kit.small_cmp(kit.small, kit.small), FUNCTION 4 btequalimage(oid);
COMMENT ON OPERATOR CLASS kit.zz_small_ops USING btree IS 'a class';
ALTER OPERATOR CLASS kit.zz_small_ops USING btree OWNER TO cat_owner;
ALTER OPERATOR FAMILY kit.small_family USING btree ADD OPERATOR 1 kit.< (kit.small, integer), OPERATOR 3 kit.= (kit.small, integer),
  FUNCTION 1 (kit.small, integer) kit.small_int_cmp(kit.small, integer);
CREATE OPERATOR CLASS kit.small_hash_ops DEFAULT FOR TYPE kit.small USING hash AS OPERATOR 1 kit.=, FUNCTION 1 kit.small_hash(kit.small), FUNCTION 2 kit.small_hash(kit.small, bigint);
CREATE OPERATOR CLASS kit."Int Ops" FOR TYPE integer USING btree FAMILY kit.small_family AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
CREATE OPERATOR FAMILY "Far Kit".empty USING gist;
CREATE OPERATOR FAMILY kit.loose USING btree;
ALTER OPERATOR FAMILY kit.loose USING btree ADD OPERATOR 3 kit.= (kit.small, kit.small), FUNCTION 1 (kit.small, kit.small) kit.small_cmp(kit.small, kit.small);
CREATE FUNCTION kit.fixed_consistent(internal, kit.fixed, smallint, oid, internal) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'gist_point_consistent';
CREATE FUNCTION kit.fixed_distance(internal, kit.fixed, smallint, oid, internal) RETURNS double precision LANGUAGE internal IMMUTABLE STRICT AS 'gist_point_distance';
CREATE FUNCTION kit.fixed_eq(kit.fixed, kit.fixed) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'point_eq';
CREATE OPERATOR kit.~= (LEFTARG = kit.fixed, RIGHTARG = kit.fixed, FUNCTION = kit.fixed_eq, COMMUTATOR = OPERATOR(kit.~=), RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR CLASS kit.fixed_ops DEFAULT FOR TYPE kit.fixed USING gist AS STORAGE box, OPERATOR 6 kit.~=, OPERATOR 15 kit.<-> FOR ORDER BY pg_catalog.float_ops,
  FUNCTION 1 kit.fixed_consistent(internal, kit.fixed, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal), FUNCTION 3 gist_point_compress(internal),
  FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal),
  FUNCTION 8 kit.fixed_distance(internal, kit.fixed, smallint, oid, internal);
CREATE OPERATOR CLASS kit.nothing_but_storage FOR TYPE polygon USING gist AS STORAGE polygon;
CREATE OPERATOR CLASS kit.words FOR TYPE text[] USING gin AS OPERATOR 1 && (anyarray, anyarray), FUNCTION 1 bttextcmp(text, text), FUNCTION 2 ginarrayextract(anyarray, internal, internal),
  FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal), FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal), STORAGE text;
CREATE OPERATOR CLASS kit.int_minmax FOR TYPE integer USING brin AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 brin_minmax_opcinfo(internal),
  FUNCTION 2 brin_minmax_add_value(internal, internal, internal, internal), FUNCTION 3 brin_minmax_consistent(internal, internal, internal), FUNCTION 4 brin_minmax_union(internal, internal, internal);
CREATE OPERATOR CLASS kit.int_minmax FOR TYPE integer USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(integer);
-- Members of a family that is the system's.
ALTER OPERATOR FAMILY pg_catalog.integer_ops USING btree ADD OPERATOR 3 "Far Kit".= (integer, kit.small), OPERATOR 1 kit.< (kit.small, integer), FUNCTION 1 (kit.small, integer) kit.small_int_cmp(kit.small, integer);

-- Ranges over them, with what comes along.
CREATE TYPE kit.smalls;
CREATE FUNCTION kit.smalls_canonical(kit.smalls) RETURNS kit.smalls LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE kit.smalls AS RANGE (SUBTYPE = kit.small, SUBTYPE_OPCLASS = kit.zz_small_ops, CANONICAL = kit.smalls_canonical, SUBTYPE_DIFF = kit.small_diff, MULTIRANGE_TYPE_NAME = "Far Kit"."Many Smalls");
ALTER TYPE kit.smalls OWNER TO cat_owner;
COMMENT ON TYPE "Far Kit"."Many Smalls" IS 'a multirange type';
COMMENT ON TYPE kit.small[] IS 'an array type';
REVOKE USAGE ON TYPE kit.smalls FROM PUBLIC;
GRANT USAGE ON TYPE kit.smalls TO cat_reader;
REVOKE EXECUTE ON FUNCTION kit.smalls(kit.small, kit.small) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kit.smalls(kit.small, kit.small) TO cat_reader;
COMMENT ON FUNCTION kit."Many Smalls"() IS 'a constructor';
ALTER FUNCTION kit."Many Smalls"(kit.smalls) OWNER TO cat_owner;
COMMENT ON CAST (kit.smalls AS "Far Kit"."Many Smalls") IS 'a cast that comes with its type';
CREATE TYPE kit.others AS RANGE (SUBTYPE = integer, SUBTYPE_OPCLASS = kit."Int Ops");

-- Access methods.
CREATE ACCESS METHOD gist2 TYPE INDEX HANDLER gisthandler;
COMMENT ON ACCESS METHOD gist2 IS 'an access method';
CREATE FUNCTION kit.heap_handler(internal) RETURNS table_am_handler LANGUAGE internal AS 'heap_tableam_handler';
CREATE ACCESS METHOD "Heap 2" TYPE TABLE HANDLER kit.heap_handler;
CREATE OPERATOR CLASS kit.box_ops DEFAULT FOR TYPE box USING gist2 AS OPERATOR 1 <<, OPERATOR 3 &&, OPERATOR 15 <-> (box, point) FOR ORDER BY float_ops,
  FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal), FUNCTION 5 gist_box_penalty(internal, internal, internal),
  FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal), FUNCTION 8 gist_box_distance(internal, box, smallint, oid, internal);

-- Languages, transforms, conversions, casts.
CREATE FUNCTION kit.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION kit.inline(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION kit.validator(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "My PL" HANDLER kit.handler INLINE kit.inline VALIDATOR kit.validator;
COMMENT ON LANGUAGE "My PL" IS 'a language';
ALTER LANGUAGE "My PL" OWNER TO cat_owner;
REVOKE USAGE ON LANGUAGE "My PL" FROM PUBLIC;
GRANT USAGE ON LANGUAGE "My PL" TO cat_reader WITH GRANT OPTION;
CREATE LANGUAGE untrusted HANDLER kit.handler;
CREATE FUNCTION kit.aa_in_my_pl(integer) RETURNS integer LANGUAGE "My PL" AS 'BEGIN RETURN $1; END';
CREATE FUNCTION kit.small_from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'prsd_lextype';
CREATE FUNCTION kit.small_to_sql(internal) RETURNS kit.small LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE TRANSFORM FOR kit.small LANGUAGE "My PL" (FROM SQL WITH FUNCTION kit.small_from_sql(internal), TO SQL WITH FUNCTION kit.small_to_sql(internal));
COMMENT ON TRANSFORM FOR kit.small LANGUAGE "My PL" IS 'a transform';
CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE TRANSFORM FOR kit.fixed LANGUAGE untrusted (FROM SQL WITH FUNCTION kit.small_from_sql(internal));
CREATE FUNCTION kit.aa_transformed(kit.small) RETURNS integer LANGUAGE "My PL" TRANSFORM FOR TYPE kit.small AS 'BEGIN RETURN 1; END';
CREATE FUNCTION kit.aa_transformed_within() RETURNS integer LANGUAGE untrusted TRANSFORM FOR TYPE kit.fixed AS 'BEGIN RETURN 1; END';
CREATE CONVERSION kit.plain FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION kit.plain IS 'a conversion';
ALTER CONVERSION kit.plain OWNER TO cat_owner;
CREATE DEFAULT CONVERSION kit."By Default" FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE CAST (kit.small AS integer) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (integer AS kit.small) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (kit.small AS kit.letter) WITH INOUT;
CREATE FUNCTION kit.to_wide(kit.small, integer, boolean) RETURNS kit."Wide Text" LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1::text::kit."Wide Text"';
CREATE CAST (kit.small AS kit."Wide Text") WITH FUNCTION kit.to_wide(kit.small, integer, boolean) AS IMPLICIT;
CREATE FUNCTION kit.wide_length(kit."Wide Text", integer, boolean) RETURNS kit."Wide Text" LANGUAGE internal IMMUTABLE STRICT AS 'varchar';
CREATE CAST (kit."Wide Text" AS kit."Wide Text") WITH FUNCTION kit.wide_length(kit."Wide Text", integer, boolean) AS IMPLICIT;
CREATE CAST (money AS text) WITH INOUT AS ASSIGNMENT;
CREATE CAST (bigint AS money[]) WITH INOUT;
CREATE CAST (money AS bigint) WITHOUT FUNCTION;
CREATE CAST (boolean AS bytea) WITH FUNCTION boolsend(boolean);
COMMENT ON CAST (money AS text) IS 'a cast between types of the system';

-- Aggregates: plain, of no arguments, of a variable number, ordered-set, hypothetical-set; every clause.
CREATE AGGREGATE kit.total (integer) (SFUNC = int4pl, STYPE = integer);
COMMENT ON AGGREGATE kit.total (integer) IS 'an aggregate';
ALTER AGGREGATE kit.total (integer) OWNER TO cat_owner;
REVOKE EXECUTE ON FUNCTION kit.total (integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kit.total (integer) TO cat_reader;
CREATE AGGREGATE kit.total (bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0');
CREATE AGGREGATE kit.rows (*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = int8pl);
COMMENT ON AGGREGATE kit.rows (*) IS 'of no arguments';
ALTER AGGREGATE kit.rows (*) OWNER TO cat_owner;
GRANT EXECUTE ON FUNCTION kit.rows () TO cat_reader;
CREATE FUNCTION kit.of_named(kit.small[], kit.small, text) RETURNS kit.small[] LANGUAGE internal IMMUTABLE AS 'array_append';
CREATE AGGREGATE kit.named ("First One" kit.small, second text) (SFUNC = kit.of_named, STYPE = kit.small[], INITCOND = '{}');
COMMENT ON AGGREGATE kit.named (kit.small, text) IS E'with named \\ arguments';
CREATE FUNCTION kit.zz_final(integer, integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1::bigint';
CREATE AGGREGATE kit.moving (integer) (SFUNC = int4pl, STYPE = integer, SSPACE = 64, FINALFUNC = kit.zz_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = SHAREABLE, INITCOND = '3',
  MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MSSPACE = 32, MFINALFUNC = kit.zz_final, MFINALFUNC_EXTRA, MFINALFUNC_MODIFY = READ_WRITE, MINITCOND = '5', PARALLEL = RESTRICTED);
CREATE AGGREGATE kit.joined (text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE AGGREGATE kit.average (numeric) (SFUNC = numeric_avg_accum, STYPE = internal, SSPACE = 128, FINALFUNC = numeric_avg, FINALFUNC_MODIFY = READ_WRITE,
  COMBINEFUNC = numeric_avg_combine, SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize,
  MSFUNC = numeric_avg_accum, MINVFUNC = numeric_accum_inv, MSTYPE = internal, MFINALFUNC = numeric_avg);
CREATE FUNCTION kit.smaller(kit.small, kit.small) RETURNS kit.small LANGUAGE internal IMMUTABLE STRICT AS 'int4smaller';
CREATE AGGREGATE kit.least_of (kit.small) (SFUNC = kit.smaller, STYPE = kit.small, COMBINEFUNC = kit.smaller, SORTOP = OPERATOR(kit.<));
CREATE AGGREGATE kit.smallest (integer) (SFUNC = int4smaller, STYPE = integer, SORTOP = <);
CREATE AGGREGATE kit.any_array (anynonarray) (SFUNC = array_agg_transfn, STYPE = internal, FINALFUNC = array_agg_finalfn, FINALFUNC_EXTRA);
CREATE FUNCTION kit.any_step(bigint, VARIADIC "any") RETURNS bigint LANGUAGE internal IMMUTABLE AS 'int8inc_any';
CREATE AGGREGATE kit.of_any (VARIADIC "any") (SFUNC = kit.any_step, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION kit.texts_step(text, VARIADIC text[]) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE kit.of_texts (VARIADIC items text[]) (SFUNC = kit.texts_step, STYPE = text);
CREATE AGGREGATE kit.percentile (double precision ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE kit.percentile (double precision ORDER BY anyelement) IS 'an ordered set';
ALTER AGGREGATE kit.percentile (double precision ORDER BY anyelement) OWNER TO cat_owner;
REVOKE ALL ON FUNCTION kit.percentile (double precision, anyelement) FROM PUBLIC;
CREATE AGGREGATE kit.modal (ORDER BY sorted anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = mode_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_ONLY);
CREATE AGGREGATE kit.place (VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
COMMENT ON AGGREGATE kit.place (VARIADIC "any" ORDER BY VARIADIC "any") IS 'a hypothetical set';
GRANT EXECUTE ON FUNCTION kit.place (VARIADIC "any") TO cat_reader;
ALTER ROUTINE kit.total (bigint) DEPENDS ON EXTENSION hstore;

-- Functions and procedures.
CREATE FUNCTION kit.ranked() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
CREATE FUNCTION kit.supporting(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textlike_support';
CREATE FUNCTION kit.aa_supported(text, text) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT SUPPORT kit.supporting COST 0.5 AS 'textlike';
SET my.custom = 'a, b';
CREATE FUNCTION kit.settings() RETURNS SETOF kit.small LANGUAGE plpgsql ROWS 12345 COST 1e6 CALLED ON NULL INPUT SET search_path = '' SET DateStyle = 'ISO, DMY' SET temp_tablespaces = '', pg_default
  SET my.custom FROM CURRENT AS $$BEGIN RETURN; END$$;
CREATE FUNCTION kit.settings_2() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT SET local_preload_libraries = 'a b', "c,d", 'e''f' SET application_name = E'x\'y\\z' SET statement_timeout = '5s' AS '';
CREATE FUNCTION kit.default_of(kit.small DEFAULT '3') RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION kit.aa_defaults(a integer DEFAULT kit.default_of(), b kit.small DEFAULT NULL, c integer[] DEFAULT ARRAY[kit.default_of('4'), 2], VARIADIC d text[] DEFAULT '{}'::text[]) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION kit.poly(anyelement, anyarray, VARIADIC anycompatiblearray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION kit.poly(anyrange, anycompatible, OUT anymultirange, OUT x anycompatible) LANGUAGE sql AS 'SELECT NULL, NULL';
CREATE FUNCTION kit.table_of(IN "In Put" kit.smalls, INOUT b kit.small[], OUT "char") RETURNS SETOF record LANGUAGE sql AS 'SELECT $2, NULL';
CREATE FUNCTION kit.rows_of() RETURNS TABLE ("A" kit.small, b text) LANGUAGE sql AS 'SELECT NULL, NULL';
CREATE FUNCTION kit."Odd (name), $body$"(integer) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN ''$function$ $procedure$ \ ''; END';
CREATE FUNCTION kit.from_library() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TABLE kit.keyed (id integer PRIMARY KEY, v kit.small, w text);
CREATE FUNCTION kit.aa_atomic(kit.small) RETURNS SETOF kit.keyed STABLE BEGIN ATOMIC SELECT * FROM kit.keyed WHERE v OPERATOR(kit.<) $1 ORDER BY v; END;
CREATE FUNCTION kit.aa_atomic_key(integer) RETURNS text BEGIN ATOMIC SELECT 'x' || w FROM kit.keyed GROUP BY id HAVING id > $1; SELECT kit.aa_supported(w, 'y') || '' FROM kit.keyed; END;
CREATE FUNCTION kit.aa_return(a kit.small) RETURNS kit.small RETURN a;
CREATE FUNCTION kit.aa_above_atomic() RETURNS text RETURN kit.aa_atomic_key(1);
CREATE PROCEDURE kit.work(a integer, b integer) LANGUAGE sql AS '';
CREATE PROCEDURE kit.work(a integer, OUT b integer) LANGUAGE sql AS 'SELECT 1';
COMMENT ON PROCEDURE kit.work(IN integer, IN integer) IS 'takes two';
COMMENT ON PROCEDURE kit.work(integer, OUT integer) IS 'gives one';
ALTER PROCEDURE kit.work(integer, OUT integer) OWNER TO cat_owner;
GRANT EXECUTE ON PROCEDURE kit.work(IN integer, IN integer) TO cat_reader;
CREATE PROCEDURE kit.atomic_work(INOUT a "char", VARIADIC b kit.small[]) BEGIN ATOMIC INSERT INTO kit.keyed (id) VALUES (1); DELETE FROM kit.keyed; SELECT NULL::"char"; END;
CREATE PROCEDURE kit.only_out(OUT a integer) LANGUAGE sql SECURITY DEFINER SET work_mem = '1MB' AS 'SELECT 1';
REVOKE EXECUTE ON PROCEDURE kit.only_out FROM PUBLIC;

-- Domains over everything.
CREATE DOMAIN kit.d_base AS kit.small DEFAULT '5' CHECK (VALUE OPERATOR(kit.<) '100'::kit.small);
CREATE DOMAIN kit.d_domain AS kit.d_base NOT NULL DEFAULT '6' CONSTRAINT "Checked Twice" CHECK (VALUE OPERATOR(kit.<>) '1') CONSTRAINT d_more CHECK (VALUE IS NOT NULL OR true);
CREATE DOMAIN kit.d_array AS kit.d_domain[] CHECK (array_length(VALUE, 1) < 5);
CREATE DOMAIN kit.d_range AS kit.smalls CHECK (NOT isempty(VALUE));
CREATE DOMAIN kit.d_multi AS "Far Kit"."Many Smalls";
CREATE DOMAIN kit.d_composite AS app.pair CHECK ((VALUE).b > 0);
CREATE DOMAIN kit.d_row AS kit.keyed CHECK ((VALUE).id > 0);
CREATE DOMAIN kit.d_enum AS app.mood DEFAULT 'ok' NOT NULL;
CREATE DOMAIN kit.d_mod AS numeric(10, 2)[] DEFAULT '{1.5}';
CREATE DOMAIN kit.d_wide AS kit."Wide Text"(12) COLLATE "C";
CREATE DOMAIN kit.d_wide_default AS kit."Wide Text" DEFAULT 'other';
CREATE DOMAIN kit.d_wide_null AS kit."Wide Text" DEFAULT NULL;
CREATE DOMAIN kit.d_no_default AS kit.d_domain;
ALTER DOMAIN kit.d_no_default DROP DEFAULT;
CREATE DOMAIN kit.d_nullable AS kit.d_domain NULL;
CREATE SEQUENCE kit.zz_numbers;
CREATE DOMAIN kit.d_sequence AS bigint DEFAULT nextval('kit.zz_numbers');
CREATE DOMAIN kit.d_late AS integer;
CREATE FUNCTION kit.zz_late_ok(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
ALTER DOMAIN kit.d_late ADD CONSTRAINT later CHECK (kit.zz_late_ok(VALUE)) NOT VALID;
COMMENT ON CONSTRAINT later ON DOMAIN kit.d_late IS 'not valid';

-- What all of it is for: tables, indexes, keys, views.
CREATE TABLE kit.used (
  a kit.small PRIMARY KEY, b kit."Wide Text"(20) COLLATE "C" DEFAULT 'w', c kit.three, d kit.fixed, e kit.letter[], f kit.smalls, g "Far Kit"."Many Smalls", h kit.d_array, i kit.d_late,
  k kit.small GENERATED ALWAYS AS (kit.smaller(a, '9')) STORED, l integer, m box,
  CONSTRAINT by_cast CHECK (a::kit."Wide Text" IS NOT NULL), CONSTRAINT by_implicit CHECK (a + 1 > 0), CONSTRAINT no_two EXCLUDE USING gist (d WITH OPERATOR(kit.~=)), UNIQUE (k)) USING "Heap 2";
ALTER TABLE kit.used ADD CONSTRAINT late_check CHECK (kit.aa_return(a) IS NOT NULL) NOT VALID;
CREATE INDEX used_hash ON kit.used USING hash (a);
CREATE INDEX used_gist ON kit.used USING gist (d kit.fixed_ops);
CREATE INDEX used_gist2 ON kit.used USING gist2 (m);
CREATE INDEX used_range ON kit.used USING gist (f);
CREATE INDEX used_int ON kit.used (l kit."Int Ops");
CREATE TABLE kit.keyed_small (a kit.small PRIMARY KEY);
CREATE TABLE kit.refers (a kit.small REFERENCES kit.keyed_small, b integer);
CREATE TABLE kit.split (a kit.small, b integer) PARTITION BY RANGE (a kit.zz_small_ops, b kit."Int Ops");
CREATE TABLE kit.parted_1 PARTITION OF kit.split FOR VALUES FROM ('1', 1) TO ('5', MAXVALUE);
CREATE TABLE kit.parted_hash (a kit.small) PARTITION BY HASH (a);
CREATE TABLE kit.parted_hash_0 PARTITION OF kit.parted_hash FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE MATERIALIZED VIEW kit.mat USING "Heap 2" AS SELECT a, kit.least_of(k) FROM kit.used GROUP BY a ORDER BY a;
CREATE VIEW kit.aa_sorted AS SELECT DISTINCT a, kit.total(l) OVER (PARTITION BY a ORDER BY a), kit.ranked() OVER () FROM kit.used ORDER BY a;
CREATE VIEW kit.aa_implicit AS SELECT a + l AS sum, kit.percentile(0.5) WITHIN GROUP (ORDER BY a), kit.place(1) WITHIN GROUP (ORDER BY l) FROM kit.used GROUP BY a, l;
CREATE STATISTICS kit.stats ON a, l FROM kit.used;

-- Others' types, families and rows: a table's row type, an enum, an extension's family.
CREATE FUNCTION kit.row_lt(kit.keyed, kit.keyed) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'record_lt';
CREATE OPERATOR kit.<< (LEFTARG = kit.keyed, RIGHTARG = kit.keyed, FUNCTION = kit.row_lt);
CREATE CAST (kit.keyed AS text) WITH INOUT AS ASSIGNMENT;
CREATE CAST (app.mood[] AS text[]) WITH INOUT;
CREATE FUNCTION kit.row_step(kit.keyed, kit.keyed) RETURNS kit.keyed LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE kit.of_rows (kit.keyed) (SFUNC = kit.row_step, STYPE = kit.keyed);
CREATE OPERATOR CLASS kit.mood_ops FOR TYPE app.mood USING btree AS OPERATOR 1 < (anyenum, anyenum), OPERATOR 2 <= (anyenum, anyenum), OPERATOR 3 = (anyenum, anyenum),
  OPERATOR 4 >= (anyenum, anyenum), OPERATOR 5 > (anyenum, anyenum), FUNCTION 1 enum_cmp(anyenum, anyenum);
CREATE OPERATOR CLASS kit.in_their_family FOR TYPE kit.small USING btree FAMILY ext.btree_hstore_ops AS
  OPERATOR 1 kit.<, OPERATOR 2 kit.<=, OPERATOR 3 kit.=, OPERATOR 4 kit.>=, OPERATOR 5 kit.>, FUNCTION 1 kit.small_cmp(kit.small, kit.small);
ALTER OPERATOR FAMILY ext.btree_hstore_ops USING btree ADD OPERATOR 1 kit.< (kit.small, integer);
REVOKE USAGE ON TYPE kit.keyed FROM PUBLIC;
COMMENT ON TYPE kit.keyed IS 'a row type';

-- What needs a primary key, and what needs that.
CREATE FUNCTION kit.aa_late(a integer, b integer) RETURNS integer BEGIN ATOMIC SELECT w::integer FROM kit.keyed GROUP BY id; END;
CREATE OPERATOR kit.^^ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = kit.aa_late);
CREATE AGGREGATE kit.aa_late (integer) (SFUNC = kit.aa_late, STYPE = integer);
CREATE TABLE kit.checked (a integer CHECK (kit.aa_late(a, 1) > 0), b integer DEFAULT kit.aa_late(1, 2), CONSTRAINT by_operator CHECK (b OPERATOR(kit.^^) 1 > 0));
CREATE DOMAIN kit.d_checked AS integer CHECK (kit.aa_late(VALUE, 1) > 0);
CREATE TABLE kit.of_checked (a kit.d_checked);
CREATE VIEW kit.aa_over_late AS SELECT a OPERATOR(kit.^^) a AS x, kit.aa_late(b) FROM kit.checked GROUP BY a;

-- What expressions use without a dependency that says so: casts, default operator classes.
CREATE DOMAIN kit.aa_d_binary AS kit.small CHECK (VALUE + 1 > 0) DEFAULT 4::kit.small;
CREATE DOMAIN kit.aa_d_function AS kit.small CHECK (VALUE::kit."Wide Text" IS NOT NULL);
CREATE DOMAIN kit.aa_d_class AS kit.small CHECK (GREATEST(VALUE, '3'::kit.small) IS NOT NULL AND ROW(VALUE, 1) < ROW('900'::kit.small, 1));
CREATE FUNCTION kit.aa_binary(a kit.small, b kit.small DEFAULT 5::kit.small) RETURNS integer RETURN a + 1;
CREATE FUNCTION kit.aa_function(kit.small) RETURNS kit."Wide Text" RETURN $1::kit."Wide Text";
CREATE FUNCTION kit.aa_class(kit.small) RETURNS kit.small BEGIN ATOMIC SELECT DISTINCT x FROM (SELECT $1 AS x) y ORDER BY x; END;
CREATE FUNCTION kit.aa_system(boolean) RETURNS bytea RETURN $1::bytea;
CREATE TABLE kit.row_cast (a integer, b text);
CREATE FUNCTION kit.from_row(kit.row_cast) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
CREATE CAST (kit.row_cast AS bigint) WITH FUNCTION kit.from_row(kit.row_cast);
ALTER TABLE kit.row_cast ADD CHECK (row_cast.*::bigint > 0);
