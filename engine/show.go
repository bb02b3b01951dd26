package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// ShowOptions name a snapshot.
type ShowOptions struct {
	Place
	// Snapshot is the beginning of its id; empty is the newest.
	Snapshot string
	Tracer   Tracer
}

// ShowResult is a snapshot in detail.
type ShowResult struct {
	Source string `json:"source"`
	SnapshotInfo
	// Tables are the tables, and pg_largeobject where the snapshot has large objects, whose number LargeObjects is.
	Tables       []ShowTable `json:"tables"`
	LargeObjects int         `json:"large_objects"`
	Unsupported  []string    `json:"unsupported,omitempty"`
	// Unfollowed are tables, and large objects, that are exact at the snapshot's own instant only, and why; Refreshed the materialized views that a
	// restore fills anew.
	Unfollowed []string `json:"unfollowed,omitempty"`
	Refreshed  []string `json:"refreshed,omitempty"`
	// Globals counts what the databases of the server share; nil where an earlier version took the snapshot.
	Globals *ShowGlobals `json:"globals,omitempty"`
	// Partial is true where patterns left tables out, and for a version of the catalog, which has the rows of copied tables only.
	Partial bool `json:"partial"`
	// CatalogVersion says that it is such a version.
	CatalogVersion bool `json:"catalog_version,omitempty"`
}

// ShowGlobals counts the roles and tablespaces in a snapshot.
type ShowGlobals struct {
	Roles       int `json:"roles"`
	Passwords   int `json:"passwords"`
	Memberships int `json:"memberships"`
	Tablespaces int `json:"tablespaces"`
	// Unread is what could not be read.
	Unread []string `json:"unread,omitempty"`
}

// ShowTable is one table of a snapshot. StoredBytes counts whole parts.
type ShowTable struct {
	Schema      string  `json:"schema"`
	Name        string  `json:"name"`
	Rows        int64   `json:"rows"`
	RawBytes    int64   `json:"raw_bytes"`
	StoredBytes int64   `json:"stored_bytes"`
	Parts       int     `json:"parts"`
	Identity    string  `json:"identity"`
	Ratio       float64 `json:"ratio"`
}

// Show tells what a snapshot holds. No such snapshot is an ErrWindow.
func Show(ctx context.Context, o ShowOptions) (*ShowResult, error) {
	opened, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	source, err := opened.source(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	h, err := hold(ctx, source)
	if err != nil {
		return nil, err
	}
	base, err := h.named(o.Snapshot)
	if err != nil {
		return nil, err
	}
	body, err := source.Body(ctx, base.Envelope)
	if err != nil {
		return nil, err
	}
	model, err := takeCatalog(body)
	if err != nil {
		return nil, err
	}
	r := &ShowResult{Source: source.Name, SnapshotInfo: snapshotInfo(base), Unsupported: unsupported(model), Partial: body.Filter != nil,
		CatalogVersion: base.Envelope.CatalogVersion, Tables: []ShowTable{}}
	if g := model.Globals; g != nil {
		r.Globals = &ShowGlobals{Roles: len(g.Roles), Memberships: len(g.Memberships), Tablespaces: len(g.Tablespaces), Unread: g.Unread}
		for i := range g.Roles {
			if g.Roles[i].Password != "" {
				r.Globals.Passwords++
			}
		}
	}
	for i := range body.Tables {
		r.Tables = append(r.Tables, showTable(base.Envelope, &body.Tables[i]))
	}
	_, copied := largeObjectsIn(model, body)
	r.LargeObjects = copied.Len()
	r.Unsupported = slices.Concat(r.Unsupported, missingLargeObjects(model, body), unreadSequences(model, body))
	if len(copied) > 0 {
		r.Unfollowed = append(r.Unfollowed, fmt.Sprintf("%d large objects: they are not in the log", copied.Len()))
	}
	for _, t := range unfollowedTables(model, body) {
		r.Unfollowed = append(r.Unfollowed, fmt.Sprintf("table %s.%s: %s", t.Schema, t.Name, unfollowed(t, unlistedTables(body)[t.OID])))
	}
	for _, v := range refreshed(model) {
		r.Refreshed = append(r.Refreshed, v.Schema+"."+v.Name)
	}
	return r, nil
}

// named returns the snapshot, or the version of the catalog, whose id begins with prefix, or the newest snapshot.
func (h *holding) named(prefix string) (*plan.Base, error) {
	if len(h.bases) == 0 {
		return nil, windowf("nothing matches: the source %q has no snapshot", h.source.Name)
	}
	base, err := &h.bases[0], error(nil)
	if prefix != "" {
		base, err = plan.Named(slices.Concat(h.bases, h.versions), prefix)
	}
	switch {
	case errors.Is(err, plan.ErrUnreachable):
		return nil, windowf("%w", err)
	case errors.Is(err, plan.ErrAmbiguous):
		return nil, usagef("%w", err)
	}
	return base, err
}

// takeCatalog reads the catalog out of a body, which holds it no longer: of very many tables it is large.
func takeCatalog(b *format.Body) (*catalog.Catalog, error) {
	c, err := catalog.Decode(b.Catalog)
	if err != nil {
		return nil, integrityf("the catalog of snapshot %v: %w", b.ID, err)
	}
	b.Catalog = nil
	return c, nil
}

func showTable(e *format.Envelope, t *format.TableData) ShowTable {
	s := ShowTable{Schema: t.Schema, Name: t.Name, Rows: t.Rows, RawBytes: t.RawBytes, Parts: len(t.Parts), Identity: t.Identity.Kind}
	for _, p := range t.Parts {
		s.StoredBytes += e.Parts[p.Object].Size
	}
	if s.StoredBytes > 0 {
		s.Ratio = float64(s.RawBytes) / float64(s.StoredBytes)
	}
	return s
}

// nameOf is a table's name for messages.
func nameOf(t *format.TableData) string { return fmt.Sprintf("%s.%s", t.Schema, t.Name) }
