package catalog

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// LargeObjects tells who owns the large objects of a database and who may use them. There may be millions, so they are
// told in groups of equal owner and grants. Their bytes are rows of pg_largeobject, which a snapshot holds as the
// rows of a table.
type LargeObjects struct {
	// PageBytes is how many bytes of an object one row of pg_largeobject holds at most, on the source.
	PageBytes int                `json:",omitzero"`
	Groups    []LargeObjectGroup `json:",omitzero"`
	Notes     []LargeObjectNote  `json:",omitzero"`
}

// LargeObjectGroup is large objects of one owner with the same grants.
type LargeObjectGroup struct {
	Owner string
	ACL   `json:"ACL,omitzero"`
	// Unreadable is true where the role that read the catalog may not read their bytes.
	Unreadable bool `json:",omitzero"`
	OIDs       OIDs
}

// LargeObjectNote is what is said of one large object, where anything is.
type LargeObjectNote struct {
	OID            uint32
	Comment        string          `json:",omitzero"`
	SecurityLabels []SecurityLabel `json:",omitzero"` // in the order of their providers' names
}

// LargeObjectBatch is how many large objects one transaction makes, alters or removes at most: most of these statements take
// a lock on each, and max_locks_per_transaction bounds them. pg_dump has the same number.
const LargeObjectBatch = 1000

// noteBytes bounds the text of a batch of comments and security labels.
const noteBytes = 1 << 20

// Readable is a condition in SQL: the role may read the large objects of the owner and grants given as SQL expressions, as
// pg_largeobject_aclcheck_snapshot (src/backend/catalog/aclchk.c) says it. Who may read pg_largeobject itself needs none of it.
func Readable(owner, acl string) string {
	return `(pg_catalog.current_setting('lo_compat_privileges')::bool OR EXISTS (
		SELECT FROM pg_catalog.aclexplode(coalesce(` + acl + `, pg_catalog.acldefault('L', ` + owner + `))) a
		WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))))`
}

// readLargeObjects reads the large objects' owners, grants, comments and labels. Oids come as arrays of at most a million, so that
// neither side holds them one by one.
func (r *reader) readLargeObjects(ctx context.Context) error {
	rows, err := collect[struct {
		LargeObjectGroup
		List []uint32
	}](ctx, r, "reading large objects", `
SELECT pg_get_userbyid(g.lomowner)::text AS owner, {acl g.lomacl L g.lomowner}, g.list,
       NOT (has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') OR `+Readable("g.lomowner", "g.lomacl")+`) AS unreadable
FROM (SELECT one.lomowner, one.lomacl, many.list
      FROM (SELECT min(m.oid) AS first, array_agg(m.oid ORDER BY m.oid) AS list
            FROM pg_largeobject_metadata m GROUP BY m.lomowner, m.lomacl::text, m.oid::int8 >> 20) many
      JOIN pg_largeobject_metadata one ON one.oid = many.first) g
ORDER BY 1, g.lomacl::text, g.list[1]`)
	if err != nil || len(rows) == 0 {
		return err
	}
	l := &r.c.LargeObjects
	for _, row := range rows {
		last := len(l.Groups) - 1
		if last < 0 || l.Groups[last].Owner != row.Owner || !slices.Equal(l.Groups[last].Items, row.Items) || (l.Groups[last].Items == nil) != (row.Items == nil) {
			l.Groups = append(l.Groups, row.LargeObjectGroup)
			last++
		}
		for _, oid := range row.List {
			l.Groups[last].OIDs.add(oid)
		}
	}
	page, err := collect[struct{ Bytes int }](ctx, r, "reading the size of a large object's page",
		`SELECT large_object_chunk_size AS bytes FROM pg_control_init()`)
	if err != nil {
		return err
	}
	l.PageBytes = page[0].Bytes
	notes, err := collect[struct {
		OID      uint32
		Provider string // empty: Text is the comment
		Text     string
	}](ctx, r, "reading the comments of large objects", `
SELECT n.oid, n.provider, n.text
FROM (SELECT objoid AS oid, '' AS provider, description AS text FROM pg_description WHERE classoid = 'pg_largeobject'::regclass
      UNION ALL SELECT objoid, provider, label FROM pg_seclabel WHERE classoid = 'pg_largeobject'::regclass) n
JOIN pg_largeobject_metadata m ON m.oid = n.oid ORDER BY 1, 2`)
	for _, n := range notes {
		last := len(l.Notes) - 1
		if last < 0 || l.Notes[last].OID != n.OID {
			l.Notes = append(l.Notes, LargeObjectNote{OID: n.OID})
			last++
		}
		if n.Provider == "" {
			l.Notes[last].Comment = n.Text
		} else {
			l.Notes[last].SecurityLabels = append(l.Notes[last].SecurityLabels, SecurityLabel{n.Provider, n.Text})
		}
	}
	return err
}

// Readable are the large objects whose bytes the role that read the catalog may read.
func (l *LargeObjects) Readable() OIDs { return l.which(false) }

// Unreadable are those whose bytes it may not read.
func (l *LargeObjects) Unreadable() OIDs { return l.which(true) }

func (l *LargeObjects) which(unreadable bool) OIDs {
	var oids OIDs
	for _, g := range l.Groups {
		if g.Unreadable == unreadable {
			oids = append(oids, g.OIDs...)
		}
	}
	return oids.Or(nil)
}

// Ownerless are those whose owner was dropped all the same.
func (l *LargeObjects) Ownerless() OIDs {
	var oids OIDs
	for _, g := range l.Groups {
		if dangling(g.Owner) {
			oids = oids.Or(g.OIDs)
		}
	}
	return oids
}

// Restorable is the part of l that can be restored: what could be read.
func (l *LargeObjects) Restorable() *LargeObjects {
	part := &LargeObjects{PageBytes: l.PageBytes}
	for _, g := range l.Groups {
		if !g.Unreadable {
			part.Groups = append(part.Groups, g)
		}
	}
	oids := part.Readable()
	for _, n := range l.Notes {
		if oids.Has(n.OID) {
			part.Notes = append(part.Notes, n)
		}
	}
	return part
}

// Needs are the roles that owners and grants of the large objects name.
func (l *LargeObjects) Needs(o DDLOptions) []Need {
	n := &needs{p: &planner{o: o, s: &Script{}}, always: map[needed]bool{}}
	for _, g := range l.Groups {
		what := "large objects " + g.OIDs.Few(2)
		if !o.NoOwner && !dangling(g.Owner) {
			n.add(NeedOwner, g.Owner, what, -1)
		}
		n.acl(g.ACL, g.Owner, what, -1)
	}
	return n.p.s.Needs
}

// Create gives the SQL that makes the large objects, empty, under their oids and owners: which ones, and a text that is a
// transaction of its own.
func (l *LargeObjects) Create(o DDLOptions) iter.Seq2[OIDs, string] {
	return func(yield func(OIDs, string) bool) {
		for _, g := range l.Groups {
			as := ""
			if !o.NoOwner && !dangling(g.Owner) {
				// Much less work for the server than an ALTER LARGE OBJECT … OWNER TO for each.
				as = "SET LOCAL ROLE " + QuoteIdent(g.Owner) + "; "
			}
			for batch := range g.OIDs.Batches(LargeObjectBatch) {
				if !yield(batch, "BEGIN; "+as+"SELECT pg_catalog.count(pg_catalog.lo_create(o)) FROM pg_catalog.unnest('"+batch.array()+"'::pg_catalog.oid[]) o; COMMIT") {
					return
				}
			}
		}
	}
}

// Finish gives the SQL of the large objects' comments, security labels and grants, to be run when they have their bytes. Each
// text is a transaction of its own, of at most so many objects.
func (l *LargeObjects) Finish(o DDLOptions, batch int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for sql := range l.annotate(o, batch) {
			if !yield(sql, nil) {
				return
			}
		}
		if o.NoPrivileges {
			return
		}
		for _, g := range l.Groups {
			for oids := range g.OIDs.Batches(batch) {
				sql, err := g.grants(privileged{kind: "LARGE OBJECT", name: strings.Trim(oids.array(), "{}"), owner: g.Owner})
				if err != nil {
					yield("", fmt.Errorf("grants on large objects %s: %w", oids.Few(3), err))
					return
				}
				for _, text := range sql {
					if !yield(text, nil) {
						return
					}
				}
			}
		}
	}
}

// annotate gives the statements of the comments and labels of many objects at once, which the server runs as one transaction.
func (l *LargeObjects) annotate(o DDLOptions, batch int) iter.Seq[string] {
	return func(yield func(string) bool) {
		var b strings.Builder
		n := 0
		for _, note := range l.Notes {
			object := "LARGE OBJECT " + strconv.FormatUint(uint64(note.OID), 10) + " IS "
			if note.Comment != "" {
				b.WriteString("COMMENT ON " + object + strings.TrimSpace(quoteLiteral(note.Comment)) + ";\n")
			}
			for _, label := range note.SecurityLabels {
				if !o.NoSecurityLabels {
					b.WriteString("SECURITY LABEL FOR " + QuoteIdent(label.Provider) + " ON " + object +
						strings.TrimSpace(quoteLiteral(label.Label)) + ";\n")
				}
			}
			if n++; n == batch || b.Len() >= noteBytes {
				if b.Len() > 0 && !yield(b.String()) {
					return
				}
				b.Reset()
				n = 0
			}
		}
		if b.Len() > 0 {
			yield(b.String())
		}
	}
}

// UnlinkLargeObjects gives the SQL that removes the large objects of the given oids, which must exist. Each text is a
// transaction of its own, of at most so many objects.
func UnlinkLargeObjects(oids OIDs, batch int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for some := range oids.Batches(batch) {
			if !yield("SELECT pg_catalog.count(pg_catalog.lo_unlink(o)) FROM pg_catalog.unnest('" + some.array() + "'::pg_catalog.oid[]) o") {
				return
			}
		}
	}
}

// TargetLargeObjects are large objects of the database that q is connected to: all of them, and those that the role may not remove.
func TargetLargeObjects(ctx context.Context, q Querier) (all, foreign OIDs, err error) {
	rows, err := collect[struct {
		List []uint32
		Mine bool
	}](ctx, &reader{q: q}, "reading which large objects there are", `
SELECT array_agg(m.oid ORDER BY m.oid) AS list, pg_has_role(m.lomowner, 'USAGE') AS mine
FROM pg_catalog.pg_largeobject_metadata m GROUP BY m.lomowner, m.oid::int8 >> 20 ORDER BY m.oid::int8 >> 20`)
	if err != nil {
		return nil, nil, err
	}
	var oids []uint32
	var others []uint32
	for _, row := range rows {
		oids = append(oids, row.List...)
		if !row.Mine {
			others = append(others, row.List...)
		}
	}
	return setOf(oids), setOf(others), nil
}

// setOf makes a set of oids in any order, which it sorts.
func setOf(oids []uint32) OIDs {
	slices.Sort(oids)
	var s OIDs
	for _, oid := range oids {
		s.add(oid)
	}
	return s
}
