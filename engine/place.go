package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

// Place says which repository and which source in it a use case works on.
type Place struct {
	// Repository is a plain path or a file:/// URL.
	Repository string
	// Source is the source's name. Empty: for use cases with a connection to the source the database's name, or
	// what the repository's only source calls this very database; for the others the only source of the repository
	// (several are an ErrUsage that names them).
	Source string

	// watch, where set, stands between the engine and the store: the tests' look at what is read.
	watch func(store.Store) store.Store
}

// opened is a repository in use, with a count of what is read from it.
type opened struct {
	repo    *repository.Repository
	counted *store.Counted
}

func (o *opened) reading() Reading {
	objects, bytes := o.counted.Read()
	return Reading{Objects: objects, Bytes: bytes}
}

// store opens the place's store without looking into it.
func (p Place) store() (*store.Counted, error) {
	s, err := store.Open(p.Repository)
	if err != nil {
		return nil, usagef("repository: %w", err)
	}
	if p.watch != nil {
		s = p.watch(s)
	}
	return store.Count(s), nil
}

// open opens the repository, which must be there.
func (p Place) open(ctx context.Context) (*opened, error) {
	counted, err := p.store()
	if err != nil {
		return nil, err
	}
	repo, err := repository.Open(ctx, counted)
	if errors.Is(err, repository.ErrNoRepository) {
		return nil, usagef("%s holds %w; name another, or make one with init or snapshot", p.Repository, err)
	}
	if err != nil {
		return nil, err
	}
	return &opened{repo, counted}, nil
}

// create opens the repository and makes it if absent.
func (p Place) create(ctx context.Context, now time.Time) (*opened, error) {
	counted, err := p.store()
	if err != nil {
		return nil, err
	}
	repo, err := repository.Create(ctx, counted, now)
	if err != nil {
		return nil, err
	}
	return &opened{repo, counted}, nil
}

// source opens the named source, or the only one.
func (o *opened) source(ctx context.Context, name string) (*repository.Source, error) {
	if name != "" {
		s, err := o.repo.Source(ctx, name)
		if errors.Is(err, repository.ErrNoSource) {
			return nil, usagef("the repository holds no source %q; %s", name, o.known(ctx))
		}
		return s, err
	}
	all, err := o.repo.Sources(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, usagef("name the source; %s", o.known(ctx))
	}
	return all[0], nil
}

// sourceName returns the name of the source that a connection is meant for: the one given, else the database's, else, where
// the repository's only source is this very database under another name, that one. Without that, a command that does
// not repeat --source would begin a second source beside the protected one.
func (o *opened) sourceName(ctx context.Context, name string, db *database) (string, error) {
	if name != "" {
		return name, nil
	}
	all, err := o.repo.Sources(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 1 && all[0].CheckDatabase(db.systemID, db.oid) == nil {
		return all[0].Name, nil
	}
	return db.name, nil
}

// sourceName is that of the repository where there is one.
func (p Place) sourceName(ctx context.Context, db *database) (string, error) {
	if p.Source != "" || p.Repository == "" {
		return cmp.Or(p.Source, db.name), nil
	}
	opened, err := p.open(ctx)
	if errors.Is(err, repository.ErrNoRepository) {
		return db.name, nil
	}
	if err != nil {
		return "", err
	}
	return opened.sourceName(ctx, "", db)
}

// sourceOf opens the source of a database, by sourceName, and holds it against the database.
func (o *opened) sourceOf(ctx context.Context, name string, db *database) (*repository.Source, error) {
	name, err := o.sourceName(ctx, name, db)
	if err != nil {
		return nil, err
	}
	s, err := o.repo.Source(ctx, name)
	if errors.Is(err, repository.ErrNoSource) {
		return nil, usagef("the repository holds no source %q; %s; run init or snapshot first", name, o.known(ctx))
	}
	if err != nil {
		return nil, err
	}
	return s, otherDatabase(s.CheckDatabase(db.systemID, db.oid))
}

// otherDatabase makes the refusal of another database a matter of usage.
func otherDatabase(err error) error {
	if errors.Is(err, repository.ErrOtherDatabase) {
		return usagef("%w", err)
	}
	return err
}

// known says which sources there are, for an error.
func (o *opened) known(ctx context.Context) string {
	all, err := o.repo.Sources(ctx)
	if err != nil || len(all) == 0 {
		return "it holds none"
	}
	var names []string
	for _, s := range all {
		names = append(names, fmt.Sprintf("%q", s.Name))
	}
	return "it holds " + strings.Join(names, ", ")
}

// holding is what a source's listing and envelopes tell.
type holding struct {
	source    *repository.Source
	envelopes []*format.Envelope
	logs      []plan.Log
	chains    []plan.Chain
	holes     []plan.Hole
	bases     []plan.Base
	// versions are those of the catalog alone, as bases are of snapshots: newest first.
	versions []plan.Base
	// opened are segments that were opened before.
	opened openSegments
}

// hold lists a source.
func hold(ctx context.Context, s *repository.Source) (*holding, error) {
	h := &holding{source: s}
	var err error
	if h.envelopes, err = s.Envelopes(ctx); err != nil {
		return nil, err
	}
	if h.logs, err = s.Logs(ctx); err != nil {
		return nil, err
	}
	for _, l := range h.logs {
		chain, holes := plan.Follow(l)
		h.chains = append(h.chains, chain)
		h.holes = append(h.holes, holes...)
	}
	version := func(e *format.Envelope) bool { return e.CatalogVersion }
	snapshot := func(e *format.Envelope) bool { return !e.CatalogVersion }
	h.bases = plan.Bases(slices.DeleteFunc(slices.Clone(h.envelopes), version), h.chains)
	h.versions = plan.Bases(slices.DeleteFunc(slices.Clone(h.envelopes), snapshot), h.chains)
	return h, nil
}
