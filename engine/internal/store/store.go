// Package store keeps immutable objects under names. A Store is small on purpose: what needs locking or history
// is built above it from objects that are created only if absent.
//
// A name is one or more elements joined by "/"; an element holds letters, digits and ". _ - % = + @ ~", does not begin
// with a dot, and is at most 200 bytes long. An object appears under its name whole and durable, or not at all.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// The errors a caller decides by; test with errors.Is.
var (
	// ErrExists: Put found the name taken; the object there is untouched.
	ErrExists = errors.New("object exists already")
	// ErrNotExist: no object has the name.
	ErrNotExist = errors.New("object does not exist")
	// ErrName: the name is not valid in any store.
	ErrName = errors.New("invalid object name")
	// ErrURL: the store's URL is of no supported kind.
	ErrURL = errors.New("repository URL not supported")
)

// Info is an object as a listing tells it.
type Info struct {
	Name string
	// Size is in bytes.
	Size int64
}

// Store keeps objects. Its methods are safe for concurrent use, by several processes too.
type Store interface {
	// Put creates the object from all of r. When it returns nil the object is durable; otherwise nothing is
	// visible under the name, or, with ErrExists, the object that was there before. An error of r is returned wrapped.
	Put(ctx context.Context, name string, r io.Reader) error
	// ReadRange fills p from offset off. An object that ends before is an error (io.ErrUnexpectedEOF).
	ReadRange(ctx context.Context, name string, off int64, p []byte) error
	// Stat returns what a listing would say of one object.
	Stat(ctx context.Context, name string) (Info, error)
	// List calls fn for each object whose name begins with prefix, in no promised order; an error of fn ends it.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
}

// Holder is a Store that can tell whether the process that holds a name still lives.
type Holder interface {
	// Hold makes an empty object and holds it until release, or until the process ends in whatever way.
	// release removes the object.
	Hold(ctx context.Context, name string) (release func() error, err error)
	// Held says whether a living process holds the object. One that does not exist is not held.
	Held(ctx context.Context, name string) (bool, error)
}

// CheckName returns an ErrName that says what is wrong with name, or nil.
func CheckName(name string) error {
	if len(name) > 900 {
		return fmt.Errorf("%w: %d bytes are too long", ErrName, len(name))
	}
	for _, element := range strings.Split(name, "/") {
		switch {
		case element == "":
			return fmt.Errorf("%w: %q has an empty element", ErrName, name)
		case element[0] == '.':
			return fmt.Errorf("%w: %q has an element that begins with a dot", ErrName, name)
		case len(element) > 200:
			return fmt.Errorf("%w: %q has an element longer than 200 bytes", ErrName, name)
		}
		for i := 0; i < len(element); i++ {
			c := element[i]
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-%=+@~", c) >= 0 {
				continue
			}
			return fmt.Errorf("%w: %q has the byte 0x%02x", ErrName, name, c)
		}
	}
	return nil
}

// Open returns the store at location: a plain path or a file:/// URL names a folder. It makes and reads nothing.
func Open(location string) (Store, error) {
	if location == "" {
		return nil, fmt.Errorf("%w: none was given; name a folder", ErrURL)
	}
	scheme, rest, isURL := strings.Cut(location, "://")
	if !isURL {
		path, err := filepath.Abs(location)
		if err != nil {
			return nil, fmt.Errorf("find the folder %s: %w", location, err)
		}
		return NewFolder(path), nil
	}
	if scheme != "file" {
		return nil, fmt.Errorf("%w: %s:// is not supported in this version; use a folder (a path, or file:///path)", ErrURL, scheme)
	}
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(rest, "/") || u.Host != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %q; a file URL has the form file:///path", ErrURL, location)
	}
	return NewFolder(filepath.Clean(u.Path)), nil
}
