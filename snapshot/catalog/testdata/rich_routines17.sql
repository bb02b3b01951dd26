-- What PostgreSQL 17 added: NOT NULL constraints of domains, operators whose partners and marks come later.
CREATE DOMAIN kit.d_not_null AS kit.d_domain CONSTRAINT "Not Null Twice" NOT NULL CONSTRAINT also CHECK (VALUE IS NOT NULL);
COMMENT ON CONSTRAINT "Not Null Twice" ON DOMAIN kit.d_not_null IS 'a not null';
CREATE DOMAIN kit.d_added AS text;
ALTER DOMAIN kit.d_added ADD CONSTRAINT added NOT NULL;
CREATE DOMAIN kit.d_set AS text;
ALTER DOMAIN kit.d_set SET NOT NULL;
CREATE OPERATOR "Far Kit".<> (LEFTARG = kit.small, RIGHTARG = integer, FUNCTION = kit.small_int_lt);
ALTER OPERATOR kit.= (kit.small, integer) SET (NEGATOR = OPERATOR("Far Kit".<>), RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR kit.<+> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
ALTER OPERATOR kit.<+> (integer, integer) SET (COMMUTATOR = OPERATOR(kit.<+>), HASHES, MERGES);
