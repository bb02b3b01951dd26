package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

// The errors a caller decides by; test with errors.Is.
var (
	// ErrNoRepository: the store holds no repository.
	ErrNoRepository = errors.New("no repository")
	// ErrNoSource: the repository holds no source of that name.
	ErrNoSource = errors.New("no such source")
	// ErrOtherDatabase: the name belongs to another database.
	ErrOtherDatabase = errors.New("the source's name belongs to another database")
	// ErrCorrupt: an object lies where it does not belong, or lacks what belongs there.
	ErrCorrupt = format.ErrCorrupt
)

const configName = "config"

// Repository is a store with sources in it.
type Repository struct {
	store store.Store
}

// Open opens the repository in s.
func Open(ctx context.Context, s store.Store) (*Repository, error) {
	r := &Repository{store: s}
	var config format.Config
	if err := r.readDocument(ctx, configName, uuid.Nil, format.KindConfig, &config); err != nil {
		if errors.Is(err, store.ErrNotExist) {
			return nil, ErrNoRepository
		}
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	return r, nil
}

// Create opens the repository in s and makes it if it is not there. A store that holds other things is refused.
func Create(ctx context.Context, s store.Store, now time.Time) (*Repository, error) {
	r, err := Open(ctx, s)
	if !errors.Is(err, ErrNoRepository) {
		return r, err
	}
	foreign := errors.New("")
	err = s.List(ctx, "", func(i store.Info) error {
		return fmt.Errorf("make the repository: the place is not empty (it holds %s); name an empty or a new one%w", i.Name, foreign)
	})
	if err != nil {
		return nil, err
	}
	config := format.Config{Version: format.Version, ID: newID(), Created: now.UTC().Truncate(time.Microsecond)}
	err = (&Repository{store: s}).writeDocument(ctx, configName, config.ID, format.KindConfig, config)
	if err != nil && !errors.Is(err, store.ErrExists) {
		return nil, fmt.Errorf("make the repository: %w", err)
	}
	return Open(ctx, s)
}

// Sources returns the sources, by name. A folder with objects and without the one that is written first, which says
// whose they are, is an ErrCorrupt: it is no source less.
func (r *Repository) Sources(ctx context.Context) ([]*Source, error) {
	named := map[string]bool{}
	err := r.store.List(ctx, "sources/", func(i store.Info) error {
		element, object, ok := strings.Cut(strings.TrimPrefix(i.Name, "sources/"), "/")
		if folder := "sources/" + element; ok {
			named[folder] = named[folder] || object == "source"
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the sources: %w", err)
	}
	var sources []*Source
	for _, folder := range slices.Sorted(maps.Keys(named)) {
		if !named[folder] {
			return nil, fmt.Errorf("%s/source is missing, and there are objects beside it: %w", folder, ErrCorrupt)
		}
		s, err := r.source(ctx, folder)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	slices.SortFunc(sources, func(a, b *Source) int { return strings.Compare(a.Name, b.Name) })
	return sources, nil
}

// Source returns the source of that name, or an ErrNoSource.
func (r *Repository) Source(ctx context.Context, name string) (*Source, error) {
	s, err := r.source(ctx, "sources/"+escape(name))
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrName) {
		return nil, fmt.Errorf("%w: %q", ErrNoSource, name)
	}
	return s, err
}

// AddSource returns the source that s names, and makes it if it is not there. If the name belongs to a
// database with another system identifier or oid it is an ErrOtherDatabase.
func (r *Repository) AddSource(ctx context.Context, s format.Source) (*Source, error) {
	folder := "sources/" + escape(s.Name)
	if err := store.CheckName(folder); err != nil || len(s.Name) == 0 {
		return nil, fmt.Errorf("source name %q is too long or empty", s.Name)
	}
	err := r.writeDocument(ctx, folder+"/source", newID(), format.KindSource, s)
	if err != nil && !errors.Is(err, store.ErrExists) {
		return nil, fmt.Errorf("add source %q: %w", s.Name, err)
	}
	there, err := r.source(ctx, folder)
	if err != nil {
		return nil, err
	}
	return there, there.CheckDatabase(s.SystemID, s.DatabaseOID)
}

func (r *Repository) source(ctx context.Context, folder string) (*Source, error) {
	s := &Source{repo: r, folder: folder}
	if err := r.readDocument(ctx, folder+"/source", uuid.Nil, format.KindSource, &s.Source); err != nil {
		return nil, fmt.Errorf("read source %s: %w", strings.TrimPrefix(folder, "sources/"), err)
	}
	if "sources/"+escape(s.Name) != folder {
		return nil, fmt.Errorf("%s/source is of the source %q and does not belong there: %w", folder, s.Name, ErrCorrupt)
	}
	return s, nil
}

// escape makes a source's name an element of an object's name: lower-case letters, digits, "_", "-" and "." but
// at the beginning stay, every other byte becomes %XX. Upper case is escaped because of file systems that fold it.
func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// object is one object of the store as a format.Ranger.
type object struct {
	store store.Store
	name  string
}

func (o object) ReadRange(ctx context.Context, off int64, p []byte) error {
	return o.store.ReadRange(ctx, o.name, off, p)
}

// open opens an object; size < 0 asks the store for it, id may be Nil.
func (r *Repository) open(ctx context.Context, name string, size int64, id uuid.UUID, kind format.ObjectKind) (*format.Reader, error) {
	if size < 0 {
		info, err := r.store.Stat(ctx, name)
		if err != nil {
			return nil, err
		}
		size = info.Size
	}
	return format.OpenObject(ctx, object{r.store, name}, format.Object{Name: name, Size: size, Kind: kind, ID: id})
}

func (r *Repository) readDocument(ctx context.Context, name string, id uuid.UUID, kind format.ObjectKind, v any) error {
	info, err := r.store.Stat(ctx, name)
	if err != nil {
		return err
	}
	return format.ReadDocument(ctx, object{r.store, name}, format.Object{Name: name, Size: info.Size, Kind: kind, ID: id}, v)
}

func (r *Repository) writeDocument(ctx context.Context, name string, id uuid.UUID, kind format.ObjectKind, v any) error {
	var b bytes.Buffer
	if _, err := format.WriteDocument(&b, kind, id, v); err != nil {
		return err
	}
	return r.store.Put(ctx, name, &b)
}

// newID returns a sortable id. uuid.NewV7 fails only where the system has no randomness, which crypto/rand does
// not survive either.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// day is the folder of a time.
func day(t time.Time) string { return t.UTC().Format("2006/01/02") }
