-- What PostgreSQL 16 added.
CREATE COLLATION side.ruled (PROVIDER = icu, LOCALE = 'und', RULES = '&V << w <<< W');
