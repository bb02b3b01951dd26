-- What PostgreSQL 18 added: more support functions, privileges on shells.
ALTER OPERATOR FAMILY kit.small_family USING btree ADD FUNCTION 6 (kit.small, kit.small) btint4skipsupport(internal);
ALTER OPERATOR FAMILY kit.fixed_ops USING gist ADD FUNCTION 12 ("any", "any") gist_translate_cmptype_common(integer);
GRANT USAGE ON TYPE kit.shell TO cat_reader;
REVOKE USAGE ON TYPE kit."Lone Shell" FROM PUBLIC;
