package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// SecurityLabel is what a label provider (SELinux's, an anonymizer's, …) says of an object. A target takes it only with
// that provider loaded.
type SecurityLabel struct {
	Provider string
	Label    string `json:",omitzero"`
}

type labelRow struct {
	SecurityLabel
	Class   string
	Object  uint32
	Column  int32
	Foreign bool   // on an object that initdb or an extension made
	What    string // the object for people
	Schema  string
}

// readLabels reads the security labels of objects; large objects have their own. A subscription is in a shared catalog, and
// its labels are too.
func (r *reader) readLabels(ctx context.Context) error {
	var err error
	r.labels, err = collect[labelRow](ctx, r, "reading security labels", `
SELECT l.classoid::regclass::text AS class, l.objoid AS object, l.objsubid AS column, l.provider, l.label,
       l.objoid < 16384 OR EXISTS (SELECT FROM pg_depend m WHERE m.classid = l.classoid AND m.objid = l.objoid AND m.deptype = 'e') AS foreign,
       coalesce(i.type || ' ' || i.identity, 'object') AS what, coalesce(i.schema, '') AS schema
FROM (SELECT classoid, objoid, objsubid, provider, label FROM pg_seclabel WHERE classoid <> 'pg_largeobject'::regclass
      UNION ALL SELECT l.classoid, l.objoid, 0, l.provider, l.label FROM pg_shseclabel l JOIN pg_subscription s ON s.oid = l.objoid
      WHERE l.classoid = 'pg_subscription'::regclass AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) l
CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) i
WHERE coalesce(i.schema, '') !~ '^(pg_temp_|pg_toast|pgrecall$)' AND coalesce(i.identity, '') !~ '^pgrecall'
ORDER BY l.classoid, l.objoid, l.objsubid, l.provider`)
	return err
}

// attachLabels puts every label where its object is, and lists those of objects that the model does not hold.
func (a *assembly) attachLabels() {
	type column struct {
		relation uint32
		attnum   int32
	}
	if len(a.labels) == 0 {
		return
	}
	objects, columns := map[Ref]*[]SecurityLabel{}, map[column]*[]SecurityLabel{}
	for o := range a.c.objects() {
		objects[o.ref()] = &o.head().SecurityLabels
		relation, of := columnsOf(o)
		for i := range of {
			columns[column{relation, int32(of[i].Attnum)}] = &of[i].SecurityLabels
		}
	}
	foreign := map[string]int64{}
	for _, l := range a.labels {
		slot := objects[Ref{Class(l.Class), l.Object}]
		if l.Column != 0 {
			slot = columns[column{l.Object, l.Column}]
		}
		switch {
		case slot != nil:
			*slot = append(*slot, l.SecurityLabel)
		case l.Foreign:
			foreign[l.Provider]++
		default:
			a.c.Unsupported = append(a.c.Unsupported, Unsupported{Kind: "security label", Name: l.Provider + " on " + l.What})
		}
	}
	for _, provider := range slices.Sorted(maps.Keys(foreign)) {
		a.c.Unsupported = append(a.c.Unsupported, Unsupported{Kind: "security labels",
			Name: fmt.Sprintf("of %s on %d objects of the system or of extensions", provider, foreign[provider]),
			Why:  "only those of the database's own objects are kept"})
	}
}

// columnsOf are the columns of a relation or composite type, with its oid in pg_class.
func columnsOf(o object) (relation uint32, columns []Column) {
	switch o := o.(type) {
	case *Table:
		return o.OID, o.Columns
	case *View:
		return o.OID, o.Columns
	case *Type:
		return o.Relation, o.Columns
	}
	return 0, nil
}
