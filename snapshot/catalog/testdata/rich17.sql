-- What PostgreSQL 16 and 17 added.
CREATE DOMAIN app.named_null AS text CONSTRAINT "must be" NOT NULL;
GRANT MAINTAIN ON app.users TO cat_reader;
CREATE TABLE app.stored (a text STORAGE external);
CREATE COLLATION app.builtin (provider = builtin, locale = 'C.UTF-8');
