-- What PostgreSQL 17 added.
CREATE EVENT TRIGGER out_login ON login EXECUTE FUNCTION side."On Event"();
CREATE EVENT TRIGGER out_login_off ON login EXECUTE FUNCTION side."On Event"();
ALTER EVENT TRIGGER out_login_off DISABLE;
CREATE COLLATION side.builtin (PROVIDER = builtin, LOCALE = 'C');
GRANT MAINTAIN ON side.documents TO cat_reader WITH GRANT OPTION;
GRANT ALL ON side.segments TO cat_reader;
REVOKE MAINTAIN ON side.segments FROM postgres;
ALTER DEFAULT PRIVILEGES FOR ROLE cat_other GRANT MAINTAIN ON TABLES TO cat_reader;
