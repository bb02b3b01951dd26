package wal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// Querier runs queries; *pgx.Conn and pgx.Tx do.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// tableForm is the form of one table as it is kept in memory.
type tableForm struct {
	schema, name               string
	content, versions, storage uint64
	file                       uint64 // see format.Form
	// published stands for the table's row in a publication that lists tables, 0 without; content and versions include it.
	published uint64
	since     uint64 // see format.Form
	unlisted  string // see format.Form
	// roles, names: a column can hold names of roles, or of other objects.
	roles, names bool
	// typed: a column is of a type that is not the system's. rows: such a type holds rows of a table.
	typed, rows bool
	parents     []uint32
	gone        bool // there is no such table any more; then only names and parents are set
}

// isTable is true of the tables whose forms are watched, over pg_class AS c and pg_namespace AS n: all that hold rows
// of their own or whose children do, but temporary ones and pgrecall's.
const isTable = `c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
	AND n.nspname <> ALL ('{information_schema,pgrecall}')`

// listing joins, to pg_class AS c, the row of the table in a publication of pgrecall that lists tables, as l; published stands for
// that row: a table taken out for a while, or given a row filter or a column list, is another one. ALTER PUBLICATION
// leaves no trace in pg_publication when it changes the list. Where nobody announces DDL it stands for the replica identity and the keys that
// may be it as well: rows may have been folded by another one.
//
// unlisted is format.Form's; pub and keeper are made in formsSQL.
const (
	unlisted = `CASE WHEN c.relkind <> 'r' OR c.relpersistence <> 'p' OR l.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pub) THEN ''
		WHEN pg_has_role((SELECT role FROM keeper), c.relowner, 'USAGE') THEN '` + format.UnlistedPending + `' ELSE '` + format.UnlistedNever + `' END`
	listing = `LEFT JOIN pg_publication_rel l ON l.prrelid = c.oid
		AND l.prpubid = (SELECT oid FROM pg_publication WHERE pubname = '` + Publication + `')
		LEFT JOIN (SELECT x.indrelid, bit_xor(hash_record_extended(
			ROW(x.indexrelid, x.indisprimary, x.indisreplident, x.indimmediate, x.indkey::text), 0)) AS hash
			FROM pg_index x WHERE (x.indisprimary OR x.indisreplident) AND ` + isWatched + ` GROUP BY x.indrelid) key ON key.indrelid = c.oid`
	published = `CASE WHEN l.oid IS NULL THEN 0 ELSE hash_record_extended(ROW(l.oid, l.xmin), 0) END
		# CASE WHEN ` + isWatched + ` THEN hash_record_extended(ROW(c.oid, c.relreplident, key.hash), 0) ELSE 0 END`
	isWatched = `EXISTS (SELECT FROM pg_publication WHERE pubname = '` + Publication + `' AND NOT puballtables
		AND starts_with(obj_description(oid, 'pg_publication'), '` + watchedComment + `'))`
)

// roleTypes and nameTypes are the types whose values are kept as oids and written as names: of roles, and of other
// objects (documentation, "Object Identifier Types"; an aclitem names roles).
const (
	roleTypes = `'{regrole,regrole[],aclitem,aclitem[]}'::regtype[]::oid[]`
	nameTypes = `'{regclass,regclass[],regcollation,regcollation[],regconfig,regconfig[],regdictionary,regdictionary[],
		regnamespace,regnamespace[],regoper,regoper[],regoperator,regoperator[],regproc,regproc[],
		regprocedure,regprocedure[],regtype,regtype[]}'::regtype[]::oid[]`
)

// formsSQL reads the forms of the tables $1, or of all if it is null. A row version counts as written since $2, an xid,
// if its xmin is not older: age() counts from one fixed xid throughout a transaction (GetStableLatestTransactionId in
// src/backend/access/transam/xact.c), and a frozen row keeps its xmin. A row of an earlier epoch may count as well.
const formsSQL = `
WITH RECURSIVE fresh AS (SELECT age($2::text::xid) AS oldest),
pub AS (SELECT FROM pg_publication WHERE pubname = '` + Publication + `' AND NOT puballtables),
keeper AS (SELECT ` + listKeeper + ` AS role),
tables AS MATERIALIZED (
	SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relfilenode, ` + published + ` AS published, ` + unlisted + ` AS unlisted
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ` + listing + `
	WHERE ($1::oid[] IS NULL OR c.oid = ANY ($1)) AND ` + isTable + `
), within(root, typ) AS (
	SELECT a.atttypid, a.atttypid FROM pg_attribute a
	WHERE ($1::oid[] IS NULL OR a.attrelid = ANY ($1)) AND a.attnum > 0
		AND (a.atttypid >= 16384 OR a.atttypid = ANY (` + roleTypes + ` || ` + nameTypes + `))
		AND EXISTS (SELECT FROM tables t WHERE t.oid = a.attrelid)
	UNION
	SELECT w.root, x.typ FROM within w JOIN pg_type t ON t.oid = w.typ CROSS JOIN LATERAL (
		SELECT t.typelem AS typ UNION ALL SELECT t.typbasetype
		UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0
		UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
		UNION ALL SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = t.oid) x
	WHERE x.typ <> 0
), types AS MATERIALIZED (
	SELECT w.root, coalesce(bit_xor(p.content), 0) AS content, coalesce(bit_xor(p.version), 0) AS version,
		coalesce(bit_xor(p.version) FILTER (WHERE p.label), 0) AS labels,
		max(age(p.xmin)) FILTER (WHERE age(p.xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)) AS age,
		bool_or(w.typ = ANY (` + roleTypes + `)) AS roles, bool_or(w.typ = ANY (` + nameTypes + `)) AS names,
		bool_or(w.typ >= 16384) AS typed, bool_or(EXISTS (SELECT FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
			WHERE t.oid = w.typ AND c.relkind IN ('r', 'p'))) AS rows
	FROM within w LEFT JOIN LATERAL (
		SELECT hash_record_extended(ROW(e.enumtypid, e.oid, e.enumlabel), 0) AS content,
			hash_record_extended(ROW(e.enumtypid, e.oid, e.xmin), 0) AS version, e.xmin, true AS label
		FROM pg_enum e WHERE e.enumtypid = w.typ
		UNION ALL
		SELECT hash_record_extended(ROW(w.typ, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped), 0),
			hash_record_extended(ROW(w.typ, a.attnum, a.xmin), 0), a.xmin, false
		FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
		WHERE t.oid = w.typ AND t.typrelid <> 0 AND a.attnum > 0
		UNION ALL
		SELECT hash_record_extended(ROW(t.oid, t.typbasetype, t.typtypmod), 0), 0, NULL, false FROM pg_type t
		WHERE t.oid = w.typ AND t.typtype = 'd') p ON w.typ >= 16384
	GROUP BY w.root
), columns AS (
	SELECT a.attrelid,
		bit_xor(hash_record_extended(ROW(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped, a.attgenerated,
		  y.content), 0)) AS content,
		bit_xor(hash_record_extended(ROW(a.attnum, a.xmin, y.version), 0)) AS versions,
		bit_xor(hash_record_extended(ROW(a.attnum, y.labels), 0)) AS labels,
		greatest(max(age(a.xmin)) FILTER (WHERE age(a.xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)), max(y.age)) AS age,
		coalesce(bool_or(y.roles), false) AS roles, coalesce(bool_or(y.names), false) AS names,
		coalesce(bool_or(y.typed), false) AS typed, coalesce(bool_or(y.rows), false) AS rows
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
		LEFT JOIN types y ON y.root = a.atttypid
	WHERE ($1::oid[] IS NULL OR a.attrelid = ANY ($1)) AND a.attnum > 0
	GROUP BY a.attrelid
), parents AS (
	SELECT i.inhrelid, array_agg(i.inhparent ORDER BY i.inhseqno) AS list FROM pg_inherits i
	WHERE $1::oid[] IS NULL OR i.inhrelid = ANY ($1) GROUP BY i.inhrelid
)
SELECT t.oid, t.nspname::text, t.relname::text,
	hash_record_extended(ROW(t.nspname, t.relname, t.relkind, t.relpersistence, p.list, k.content, t.published), 0),
	coalesce(k.versions, 0) # t.published, t.published, hash_record_extended(ROW(t.relfilenode, k.labels), 0),
	hash_record_extended(ROW(t.oid, t.relfilenode), 0), (SELECT oldest FROM fresh) - k.age,
	coalesce(k.roles, false), coalesce(k.names, false),
	coalesce(k.typed, false), coalesce(k.rows, false), p.list, t.unlisted
FROM tables t LEFT JOIN columns k ON k.attrelid = t.oid LEFT JOIN parents p ON p.inhrelid = t.oid`

// readForms returns the forms of the tables named, or of all if tables is nil. What was written since the xid since
// (0: that does not matter) is in their field of that name.
func readForms(ctx context.Context, q Querier, tables []uint32, since uint64) (map[uint32]tableForm, error) {
	var oldest *string
	if since != 0 {
		text := strconv.FormatUint(uint64(uint32(since)), 10)
		oldest = &text
	}
	rows, err := q.Query(ctx, formsSQL, tables, oldest)
	if err != nil {
		return nil, fmt.Errorf("read the forms of the source's tables: %w", err)
	}
	forms := make(map[uint32]tableForm)
	var oid uint32
	var content, versions, published, storage, file int64
	var distance *int64
	var f tableForm
	fields := []any{&oid, &f.schema, &f.name, &content, &versions, &published, &storage, &file, &distance, &f.roles, &f.names,
		&f.typed, &f.rows, &f.parents, &f.unlisted}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		f.content, f.versions, f.published = uint64(content), uint64(versions), uint64(published)
		f.storage, f.file, f.since = uint64(storage), uint64(file), 0
		if distance != nil {
			f.since = since + uint64(*distance)
		}
		forms[oid] = f
		f.parents = nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the forms of the source's tables: %w", err)
	}
	return forms, nil
}

// rolesSQL stands for the names of all roles, objectsSQL for those of all other objects that a value can name, but
// indexes: REINDEX CONCURRENTLY gives their names to others.
const (
	rolesSQL   = `SELECT coalesce(bit_xor(hash_record_extended(ROW(oid, rolname), 0)), 0) FROM pg_roles`
	objectsSQL = `
SELECT coalesce(bit_xor(h), 0) FROM (
	SELECT hash_record_extended(ROW('class'::text, oid, relnamespace, relname), 0) AS h FROM pg_class
		WHERE oid >= 16384 AND relpersistence <> 't' AND relkind NOT IN ('i', 'I', 't')
	UNION ALL SELECT hash_record_extended(ROW('proc'::text, oid, pronamespace, proname, proargtypes::oid[]), 0)
	  FROM pg_proc WHERE oid >= 16384
	UNION ALL SELECT hash_record_extended(ROW('type'::text, t.oid, t.typnamespace, t.typname), 0) FROM pg_type t
		LEFT JOIN pg_type e ON e.oid = t.typelem LEFT JOIN pg_class c ON c.oid IN (t.typrelid, e.typrelid) AND c.oid <> 0
		WHERE t.oid >= 16384 AND c.relpersistence IS DISTINCT FROM 't'
	UNION ALL SELECT hash_record_extended(ROW('oper'::text, oid, oprnamespace, oprname, oprleft, oprright), 0)
	  FROM pg_operator WHERE oid >= 16384
	UNION ALL SELECT hash_record_extended(ROW('collation'::text, oid, collnamespace, collname), 0) FROM pg_collation WHERE oid >= 16384
	UNION ALL SELECT hash_record_extended(ROW('config'::text, oid, cfgnamespace, cfgname), 0) FROM pg_ts_config WHERE oid >= 16384
	UNION ALL SELECT hash_record_extended(ROW('dictionary'::text, oid, dictnamespace, dictname), 0) FROM pg_ts_dict WHERE oid >= 16384
	UNION ALL SELECT hash_record_extended(ROW('namespace'::text, oid, nspname), 0) FROM pg_namespace
	  WHERE nspname !~ '^pg_(toast_)?temp_') o`
)

// readNames fills in what the forms say of names, where any table can hold such.
func readNames(ctx context.Context, q Querier, forms map[uint32]tableForm, into *format.Forms) error {
	var roles, names bool
	for _, f := range forms {
		roles, names = roles || f.roles, names || f.names
	}
	for _, k := range []struct {
		held bool
		sql  string
		into *string
	}{{roles, rolesSQL, &into.Roles}, {names, objectsSQL, &into.Names}} {
		if !k.held {
			continue
		}
		rows, err := q.Query(ctx, k.sql)
		if err != nil {
			return fmt.Errorf("read the names of the source's objects: %w", err)
		}
		hash, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		if err != nil {
			return fmt.Errorf("read the names of the source's objects: %w", err)
		}
		*k.into = hexOf(uint64(hash))
	}
	return nil
}

// ReadForms looks at all tables, as the transaction of q sees them. Where it looked from is left for the caller to
// fill in. At 50,000 tables of 10 columns the server works on it for about 3 s.
func ReadForms(ctx context.Context, q Querier) (*format.Forms, error) {
	forms, err := readForms(ctx, q, nil, 0)
	if err != nil {
		return nil, err
	}
	f := &format.Forms{Complete: true, Tables: formatted(forms)}
	f.Digest, f.Storage = digestsOf(forms)
	return f, readNames(ctx, q, forms, f)
}

// formatted returns forms as they are written, by oid.
func formatted(forms map[uint32]tableForm) []format.Form {
	list := make([]format.Form, 0, len(forms))
	for oid, f := range forms {
		form := format.Form{Table: oid, Schema: f.schema, Name: f.name, Parents: f.parents, Since: f.since}
		if !f.gone {
			form.Content, form.Versions, form.Storage = hexOf(f.content), hexOf(f.versions), hexOf(f.storage)
			form.File, form.Unlisted = hexOf(f.file), f.unlisted
		}
		list = append(list, form)
	}
	slices.SortFunc(list, func(a, b format.Form) int { return int(int64(a.Table) - int64(b.Table)) })
	return list
}

func hexOf(hash uint64) string { return fmt.Sprintf("%016x", hash) }

// digestsOf stand for all forms.
func digestsOf(forms map[uint32]tableForm) (digest, storage string) {
	oids := make([]uint32, 0, len(forms))
	for oid := range forms {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	h, files := sha256.New(), sha256.New()
	var b [20]byte
	for _, oid := range oids {
		binary.LittleEndian.PutUint32(b[:], oid)
		binary.LittleEndian.PutUint64(b[4:], forms[oid].content)
		binary.LittleEndian.PutUint64(b[12:], forms[oid].versions)
		h.Write(b[:])
		binary.LittleEndian.PutUint64(b[4:], forms[oid].storage)
		files.Write(b[:12])
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), hex.EncodeToString(files.Sum(nil)[:16])
}
