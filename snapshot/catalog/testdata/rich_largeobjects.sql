-- Large objects: empty, of whole pages, with a hole, cut at a page's beginning, of other owners, with grants and comments.
SELECT lo_create(4200001);
SELECT lo_from_bytea(4200002, decode(repeat('00ff', 2048), 'hex'));
SELECT lo_from_bytea(4200003, 'short'), lo_from_bytea(4200004, 'cat''s');
SELECT lo_create(4200005), lo_put(4200005, 20000, 'after a hole');
SELECT lo_from_bytea(4200006, decode(repeat('ab', 6000), 'hex'));
SELECT lo_truncate64(lo_open(4200006, 131072), 4096);
ALTER LARGE OBJECT 4200002 OWNER TO cat_owner;
ALTER LARGE OBJECT 4200004 OWNER TO cat_owner;
GRANT SELECT ON LARGE OBJECT 4200002, 4200003 TO PUBLIC;
GRANT SELECT, UPDATE ON LARGE OBJECT 4200004 TO cat_reader WITH GRANT OPTION;
REVOKE ALL ON LARGE OBJECT 4200005 FROM CURRENT_USER;
COMMENT ON LARGE OBJECT 4200004 IS 'a \ ''large'' object';
