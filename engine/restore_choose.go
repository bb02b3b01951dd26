package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// candidates opens the repository and returns the ways to reach the target, best first.
func (r *restore) candidates(ctx context.Context) ([]plan.Choice, error) {
	var err error
	if r.opened, err = r.o.open(ctx); err != nil {
		return nil, err
	}
	source, err := r.opened.source(ctx, r.o.Source)
	if err != nil {
		return nil, err
	}
	if r.held, err = hold(ctx, source); err != nil {
		return nil, err
	}
	return r.held.choose(ctx, r.o.Target)
}

// choose finds the snapshot and the part of the log that give the target, and checks what lies between.
func (r *restore) choose(ctx context.Context) (err error) {
	choices, err := r.candidates(ctx)
	if err != nil {
		return err
	}
	body, selected, err := r.fitting(ctx, choices)
	if err != nil {
		return err
	}
	if r.catalog, r.left, err = r.o.reduce(r.catalog, len(r.o.Tables) > 0, r.o.denied); err != nil {
		return err
	}
	options, err := r.ddlOptions(selected)
	if err != nil {
		return err
	}
	if options.Empty, err = r.excludeRows(body, options.Tables); err != nil {
		return err
	}
	r.ddl = options
	if r.script, err = r.catalog.DDL(options); err != nil {
		return usagef("%w", err)
	}
	question := crossing{past: r.past, catalog: r.catalog, wanted: map[uint32]*format.TableData{}, named: r.script.Tables,
		whole:    options.Tables == nil,
		patterns: slices.Concat(r.o.Tables, sortedKeys(r.o.Rename)), reaches: r.reaches, lenient: r.o.CatalogOfSnapshot,
		empty: r.rowless, rowless: r.o.Scope == RestoreSchemaOnly}
	if r.proving {
		question.reaches = nil
	}
	for _, t := range r.past.tablesAt(r.catalog) {
		if r.script.Tables[t.OID] != (catalog.Name{}) && (r.past.across == nil || r.o.Scope != RestoreSchemaOnly && !options.Empty[t.OID]) {
			question.wanted[t.OID] = t
		}
	}
	notIncluded, err := question.judge(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.past.tablesAt(r.catalog) {
		if r.script.Tables[t.OID] != (catalog.Name{}) && !options.Empty[t.OID] {
			r.wanted = append(r.wanted, t)
		}
	}
	r.chooseConfiguration()
	r.chooseLargeObjects(body)
	if f := r.past.forms; f != nil {
		if last := f.unwatched(r.past.lookedTo()); last != nil {
			r.tracer.Note(Note{LevelWarn, fmt.Sprintf("the source's tables were last looked at before %v (%s): DDL after that which no statement in the log tells of, as with event_triggers = off, is not known yet",
				last.Until, stamp(last.Time))})
		}
	}
	r.describe(r.held.source.Name, notIncluded)
	return nil
}

// fitting returns the first choice whose snapshot has the tables asked for.
func (r *restore) fitting(ctx context.Context, choices []plan.Choice) (body *format.Body, tables []*catalog.Table, err error) {
	var missing error
	var later *plan.Choice // the first whose snapshot lacks rows that were asked for
	var lacks string
	for _, partialToo := range []bool{false, true} {
		for _, c := range choices {
			switch noted, err := r.held.noted(ctx, &c); {
			case err != nil:
				return nil, nil, err
			case !noted:
				missing = windowf("snapshot %v is of a state that the source lost again: the log that goes on does not note it, as when a volume was set back; take a new snapshot, or give another target", c.Base.Envelope.ID)
				continue
			}
			body, err := r.held.source.Body(ctx, c.Base.Envelope)
			if err != nil {
				return nil, nil, err
			}
			if err := r.date(ctx, c, body); err != nil {
				return nil, nil, err
			}
			tables, err := r.catalog.Select(catalog.Selection{Tables: r.o.Tables, ExcludeTables: r.o.ExcludeTables})
			if err != nil {
				if unmatched := new(catalog.UnmatchedError); errors.As(err, &unmatched) {
					missing = windowf("nothing matches: snapshot %v: %w", c.Base.Envelope.ID, err)
					continue
				}
				return nil, nil, usagef("%w", err)
			}
			left := r.past.withoutRows(tables)
			if r.wantsLargeObjects() && lacksLargeObjects(r.catalog, body) {
				left = append(left, "the large objects")
			}
			if r.o.Scope == RestoreSchemaOnly {
				left = nil
			}
			if len(left) > 0 && later == nil {
				later, lacks = &c, strings.Join(left, ", ")
			}
			switch {
			case len(left) == 0 && later != nil && !later.Instant && c.Cut < later.Cut:
				// As after a gap, where the new snapshot could not have all rows: the latest point is not to be months old unasked.
				return nil, nil, windowf("the latest point, --lsn %v, is of snapshot %v, which was taken without the rows of %s; the latest with them is --lsn %v: give one of the two",
					later.Cut, later.Base.Envelope.ID, lacks, c.Cut)
			case len(left) == 0:
				return body, tables, nil
			case len(r.o.Tables) > 0:
				missing = windowf("nothing matches: snapshot %v was taken without the rows of %s", c.Base.Envelope.ID, strings.Join(left, ", "))
			case partialToo || r.o.Target.Kind == TargetSnapshot:
				r.tracer.Note(Note{LevelWarn, fmt.Sprintf("snapshot %v was taken of some tables only: these stay empty: %s", c.Base.Envelope.ID, strings.Join(left, ", "))})
				return body, tables, nil
			}
		}
	}
	return nil, nil, missing
}

// date makes the history of a choice, and finds the catalog of its target: that of the snapshot, or, where DDL came after it, or
// something of which nobody told, of a version. Where there is none of the target, what was asked for may still be as it was in the
// snapshot; that is judged later.
func (r *restore) date(ctx context.Context, c plan.Choice, body *format.Body) (err error) {
	if r.catalog, err = takeCatalog(body); err != nil {
		return err
	}
	if r.past, err = newHistory(ctx, r.held, c, body, r.catalog); err != nil {
		return err
	}
	if r.past.watched() {
		return r.dateWatched(ctx, c)
	}
	if r.o.CatalogOfSnapshot || c.Instant {
		return nil
	}
	version, err := r.past.catalogAt(ctx)
	if n := r.past.nearest; version == nil && err == nil && n.catalog != nil && len(r.o.Tables)+len(r.o.Rename) > 0 {
		var noted bool
		if noted, err = r.held.noted(ctx, &plan.Choice{Base: n.catalog}); noted {
			version = n.catalog
		}
	}
	if version == nil || err != nil || version == c.Base || r.past.dated() && r.sameObjects(c.Base.Envelope, version.Envelope) {
		return err
	}
	return r.crossTo(ctx, version)
}

// sameObjects says whether of two catalogs between which no DDL was told the second has nothing else that is restored.
func (r *restore) sameObjects(a, b *format.Envelope) bool {
	objects := a.Objects == b.Objects || a.Objects == "" || b.Objects == ""
	return objects && (a.Globals == b.Globals || !r.o.wanted() && !r.o.Create)
}

// crossTo takes the catalog of a version as the target's, and follows the tables to it.
func (r *restore) crossTo(ctx context.Context, version *plan.Base) error {
	of, err := r.held.source.Body(ctx, version.Envelope)
	if err != nil {
		return err
	}
	target, err := takeCatalog(of)
	if err != nil {
		return err
	}
	target.LargeObjects = r.catalog.LargeObjects // no log tells of them: they are the snapshot's
	err = r.past.cross(ctx, version, r.catalog, target, of)
	r.catalog = target
	return err
}

// withoutRows lists the tables whose rows the snapshot left out because of its patterns.
func (p *history) withoutRows(tables []*catalog.Table) []string {
	if p.body.Filter == nil {
		return nil
	}
	var left []string
	for _, t := range tables {
		if t.HasRows() && t.Persistence == "p" && p.data(t.OID) == nil && !p.made(t.OID) {
			left = append(left, t.Schema+"."+t.Name)
		}
	}
	return left
}

// ddlOptions says which part of the catalog is restored, and under which names.
func (r *restore) ddlOptions(selected []*catalog.Table) (catalog.DDLOptions, error) {
	o := catalog.DDLOptions{NoOwner: r.o.NoOwner, NoPrivileges: r.o.NoPrivileges, NoTablespaces: r.o.NoTablespaces, NoSecurityLabels: r.o.NoSecurityLabels,
		NoComments: r.o.NoComments, IntoSchema: r.o.IntoSchema, TablesOnly: r.o.TablesOnly}
	if r.o.IntoSchema == wal.Schema {
		return o, usagef("--into-schema %s: that schema is pgrecall's own on a source, and no part of a backup; name another", wal.Schema)
	}
	if len(r.o.Tables) == 0 && len(r.o.Rename) == 0 {
		return o, nil
	}
	if len(r.o.Tables) > 0 {
		o.Tables = map[uint32]bool{}
		for _, t := range selected {
			o.Tables[t.OID] = true
		}
	}
	for _, from := range sortedKeys(r.o.Rename) {
		tables, err := r.catalog.Select(catalog.Selection{Tables: []string{from}})
		if err != nil {
			return o, usagef("--rename %s: %w", from, err)
		}
		named := slices.DeleteFunc(slices.Clone(tables), func(t *catalog.Table) bool { return t.Partition && len(tables) > 1 })
		if len(named) != 1 {
			return o, usagef("--rename %s: it names %d tables; write schema.table", from, len(named))
		}
		if o.Tables == nil && len(r.o.Tables) == 0 {
			o.Tables = map[uint32]bool{}
		}
		if len(r.o.Tables) == 0 {
			for _, t := range tables {
				o.Tables[t.OID] = true
			}
		} else if !o.Tables[named[0].OID] {
			return o, usagef("--rename %s: --table does not choose it", from)
		}
		if o.Rename == nil {
			o.Rename = map[uint32]catalog.Name{}
		}
		name := newName(r.o.Rename[from], named[0], r.o.IntoSchema)
		if name.Schema == wal.Schema {
			return o, usagef("--rename %s: the schema %s is pgrecall's own on a source, and no part of a backup; name another", from, wal.Schema)
		}
		o.Rename[named[0].OID] = name
	}
	return o, nil
}

// newName reads the new name of a table: name or schema.name, quoted as SQL where it must be.
func newName(text string, t *catalog.Table, into string) catalog.Name {
	schema, name := t.Schema, text
	if into != "" {
		schema = into
	}
	if parts := splitName(text); len(parts) == 2 {
		schema, name = parts[0], parts[1]
	} else {
		name = parts[0]
	}
	return catalog.Name{Schema: schema, Name: name}
}

// splitName splits a name at its first dot outside double quotes, and takes the quotes off; unquoted letters are folded.
func splitName(text string) []string {
	parts, quoted := []string{""}, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		last := &parts[len(parts)-1]
		switch {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			*last += `"`
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted && len(parts) == 1:
			parts = append(parts, "")
		case !quoted && c >= 'A' && c <= 'Z':
			*last += string(c + 'a' - 'A')
		default:
			*last += string(c)
		}
	}
	return parts
}
