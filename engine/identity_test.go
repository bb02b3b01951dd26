package engine

import "testing"

// Values that are equal and not the same, values that look like COPY's own signs, and layouts that differ from their
// parent's: each kind of identity must follow them through changes of keys, by whatever way a row came and went.
func TestEveryKindOfIdentityFollowsItsRows(t *testing.T) {
	place, db := protect(t,
		`CREATE COLLATION ci (provider=icu, locale='und-u-ks-level2', deterministic=false)`,
		`CREATE TABLE ci (k text COLLATE ci PRIMARY KEY, v text)`, `INSERT INTO ci SELECT 'Key'||i, repeat(md5(i::text), 200) FROM generate_series(1,50) i`,
		`CREATE TABLE num (k numeric PRIMARY KEY, v text)`, `INSERT INTO num VALUES (1.0,'a'),(2.0,'b'),(3,'c')`,
		`CREATE TABLE fl (k float8 PRIMARY KEY, v text)`, `INSERT INTO fl VALUES ('-0','a'),('NaN','b'),('1e-310','c')`,
		`CREATE TABLE ch (k char(10) PRIMARY KEY, v text)`, `INSERT INTO ch VALUES ('a','a'),('b ','b')`,
		`CREATE TABLE js (k jsonb PRIMARY KEY, v text)`, `INSERT INTO js VALUES ('{"a":1.0}','a'),('[1.00]','b')`,
		`CREATE TABLE dp (k int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text)`, `INSERT INTO dp SELECT i, repeat('x'||i, 2000) FROM generate_series(1,20) i`,
		`CREATE TABLE ui (a int NOT NULL, b text NOT NULL, v text)`, `CREATE UNIQUE INDEX ui_i ON ui (b, a)`, `ALTER TABLE ui REPLICA IDENTITY USING INDEX ui_i`, `INSERT INTO ui SELECT i, 'b'||i, repeat('v'||i, 3000) FROM generate_series(1,20) i`,
		`CREATE TABLE gk (a int, g int GENERATED ALWAYS AS (a*2) STORED PRIMARY KEY, v text)`, `INSERT INTO gk(a,v) SELECT i, 'v' FROM generate_series(1,10) i`,
		`CREATE TABLE full1 (f float8, x xml, j json, rr float4, m money, i interval, b bit(5), p point)`, `INSERT INTO full1 SELECT 0.1+i%3, ('<a>'||i%2||'</a>')::xml, '{"a" :  1}', 1.1, 12.34, '1 mon 2 days 03:04:05.678', B'10101', '(1.1,2)' FROM generate_series(1,20) i`,
		`CREATE TABLE tk (k text PRIMARY KEY, v text)`, `ALTER TABLE tk ALTER k SET STORAGE EXTERNAL`, `INSERT INTO tk SELECT string_agg(md5((i*1000+j)::text),'' ORDER BY j) , repeat(md5(i::text),300) FROM generate_series(1,5) i, generate_series(1,70) j GROUP BY i`,
		`CREATE TABLE nul (id int PRIMARY KEY, v text)`, `INSERT INTO nul VALUES (1,NULL),(2,''),(3,E'\\N'),(4,E'\\u'),(5,E'\\.'),(6,E'a\\ub'),(7,E'\t\n\r\x0b\\')`,
		`CREATE TABLE nulf (v text, w text)`, `ALTER TABLE nulf REPLICA IDENTITY FULL`, `INSERT INTO nulf VALUES (NULL,NULL),('',''),(E'\\N',E'\\u'),(E'\\u',NULL)`,
		`CREATE TABLE part (a int, b text, d int, PRIMARY KEY(a)) PARTITION BY RANGE (a)`, `CREATE TABLE part1 (d int, zz int, b text, a int NOT NULL)`, `ALTER TABLE part1 DROP zz`, `ALTER TABLE part ATTACH PARTITION part1 FOR VALUES FROM (0) TO (100)`, `CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (100) TO (200)`, `INSERT INTO part SELECT i, repeat(md5(i::text), 500), -i FROM generate_series(1,150) i`,
		`CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a+1) STORED, c text)`, `INSERT INTO gen(a,c) SELECT i,'c' FROM generate_series(1,10) i`,
		`CREATE TABLE rls (id int PRIMARY KEY, v text)`, `INSERT INTO rls VALUES (1,'x'),(2,'y')`, `ALTER TABLE rls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`, `CREATE POLICY p ON rls USING (id=1)`,
	)
	exec(t, db,
		`UPDATE ci SET k = upper(k) WHERE k < 'key3'`, `UPDATE ci SET k = lower(k), v=v WHERE k='KEY1'`, `DELETE FROM ci WHERE k='kEy2'`, `INSERT INTO ci VALUES ('kEy2','back')`,
		`UPDATE num SET k=1.00 WHERE k=1`, `UPDATE num SET v='z' WHERE k=1`, `DELETE FROM num WHERE k=2`, `INSERT INTO num VALUES (2.000,'n')`,
		`UPDATE fl SET k=0 WHERE k=0`, `UPDATE fl SET v='q' WHERE k=0`, `UPDATE fl SET v='n' WHERE k='NaN'`, `DELETE FROM fl WHERE k=1e-310`,
		`UPDATE ch SET k='a   ', v='2' WHERE k='a'`, `DELETE FROM ch WHERE k='b'`,
		`UPDATE js SET k='{"a":1}' WHERE v='a'`, `UPDATE js SET v='c' WHERE k='{"a":1.000}'`, `DELETE FROM js WHERE v='b'`, `INSERT INTO js VALUES ('[1]','n')`,
		`UPDATE dp SET k = k+1`, `UPDATE dp SET k = 100-k WHERE k<5`, `DELETE FROM dp WHERE k=7`,
		`BEGIN; UPDATE ui SET a=1000 WHERE a=1; UPDATE ui SET a=1, b='b1' WHERE a=2; UPDATE ui SET a=2, b='b2' WHERE a=1000; COMMIT`, `DELETE FROM ui WHERE a=5`,
		`UPDATE gk SET a=a+100 WHERE a<5`, `DELETE FROM gk WHERE a=7`,
		`DELETE FROM full1 WHERE ctid IN (SELECT ctid FROM full1 LIMIT 3)`, `UPDATE full1 SET f=f WHERE f>1`, `UPDATE full1 SET i='1 year' WHERE ctid IN (SELECT ctid FROM full1 LIMIT 4)`,
		`UPDATE tk SET k='x'||k`, `UPDATE tk SET v='new' WHERE k=(SELECT min(k) FROM tk)`, `UPDATE tk SET v=v WHERE k=(SELECT max(k) FROM tk)`,
		`UPDATE nul SET id=id+10`, `DELETE FROM nul WHERE v IS NULL`, `INSERT INTO nul VALUES (100,NULL),(101,E'\\N')`,
		`DELETE FROM nulf WHERE v=''`, `UPDATE nulf SET w=E'\\N' WHERE v IS NULL`, `UPDATE nulf SET v=NULL WHERE v=E'\\u'`,
		`UPDATE part SET a=a+120 WHERE a BETWEEN 35 AND 45`, `UPDATE part SET a = CASE a WHEN 1 THEN 199 ELSE 198 END WHERE a IN (1,2)`, `UPDATE part SET d=0 WHERE a=199`,
		`UPDATE gen SET a=50 WHERE id=1`, `DELETE FROM gen WHERE id=2`, `UPDATE gen SET c=NULL`,
		`UPDATE rls SET v='zz'`, `DELETE FROM rls WHERE id=1`,
		// Subtransactions, and a transaction prepared before one that commits earlier.
		`BEGIN; SAVEPOINT a; DELETE FROM rls; ROLLBACK TO a; SAVEPOINT b; INSERT INTO rls VALUES (5,'s'); RELEASE b; COMMIT`,
		`BEGIN; INSERT INTO rls VALUES (6,'p'); PREPARE TRANSACTION 'moved'`, `INSERT INTO rls VALUES (7,'q')`, `COMMIT PREPARED 'moved'`,
	)
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
}

// TestAnIdentityOfNothingComesBack: where there is a key, init gives it as the identity, so that UPDATE does not fail.
func TestAnIdentityOfNothingComesBack(t *testing.T) {
	place, db := protect(t, "CREATE TABLE quiet (id int PRIMARY KEY)", "ALTER TABLE quiet REPLICA IDENTITY NOTHING")
	identity := "SELECT relreplident FROM pg_class WHERE relname = 'quiet'"
	if got := value(t, db, identity); got != "d" {
		t.Fatalf("on the source: %s", got)
	}
	take(t, place, db)
	target := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: target}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, target, identity); got != "n" {
		t.Errorf("restored: %s, want n", got)
	}
}
