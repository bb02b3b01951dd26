package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/google/uuid"
)

// temps is the folder, beneath the root, of files still being written. Its name begins with a dot, so that no
// object is ever in it.
const temps = ".tmp"

// Folder is a Store in a folder of a local or network file system that has hard links and fsync.
//
// An object is written to a temporary file, fsynced, and then linked to its name: link(2) fails where the name
// exists, which makes creation exclusive across processes (rename would replace), and a crash leaves only the
// temporary file. A name is durable when the folder that holds it, and every folder above up to the root's parent,
// is fsynced. Files are 0600, folders 0700. A temporary file is locked (flock) by the process that writes it, so that one
// without a lock is known to be left behind.
type Folder struct {
	root string

	mu sync.Mutex
	// durable are the folders known to be fsynced into their parents.
	durable map[string]bool
}

// NewFolder returns the store in the folder root, an absolute path. The folder is made by the first Put.
func NewFolder(root string) *Folder {
	return &Folder{root: root, durable: map[string]bool{}}
}

func (f *Folder) path(name string) string {
	return filepath.Join(f.root, filepath.FromSlash(name))
}

// Put implements Store.
func (f *Folder) Put(ctx context.Context, name string, r io.Reader) error {
	if err := CheckName(name); err != nil {
		return err
	}
	// Cheap, and keeps the content of a taken name from being written for nothing; link(2) decides.
	if _, err := os.Lstat(f.path(name)); err == nil {
		return fmt.Errorf("create %s: %w", name, ErrExists)
	}
	temp, err := f.newTemp()
	if err != nil {
		return fmt.Errorf("create %s: %w", name, hint(err))
	}
	defer func() {
		_ = os.Remove(temp.Name())
		_ = temp.Close()
	}()
	if _, err := io.Copy(temp, &contextReader{ctx, r}); err != nil {
		return fmt.Errorf("write %s: %w", name, hint(err))
	}
	if err := temp.Sync(); err != nil {
		return fmt.Errorf("write %s: fsync: %w", name, hint(err))
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return f.publish(temp.Name(), name)
}

// publish links the temporary file to its name and makes the name durable.
func (f *Folder) publish(temp, name string) error {
	path := f.path(name)
	for try := 0; ; try++ {
		if err := f.makeFolder(filepath.Dir(path)); err != nil {
			return fmt.Errorf("create %s: %w", name, hint(err))
		}
		err := os.Link(temp, path)
		switch {
		case err == nil:
			if err := syncFolder(filepath.Dir(path)); err != nil {
				// Not known to be durable: it must not look as if it were.
				_ = os.Remove(path)
				return fmt.Errorf("create %s: fsync its folder: %w", name, hint(err))
			}
			return nil
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("create %s: %w", name, ErrExists)
		case errors.Is(err, fs.ErrNotExist) && try < 5:
			// A Delete took the empty folder away between the two calls.
			f.forget()
		default:
			return fmt.Errorf("create %s: %w", name, hint(err))
		}
	}
}

// newTemp makes a locked temporary file.
func (f *Folder) newTemp() (*os.File, error) {
	dir := filepath.Join(f.root, temps)
	for {
		if err := f.makeFolder(dir); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(filepath.Join(dir, uuid.NewString()), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			_ = os.Remove(file.Name())
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		// Between creation and lock CleanTemps may have taken the file for a stale one.
		if _, err := os.Lstat(file.Name()); err == nil {
			return file, nil
		}
		_ = file.Close()
	}
}

// makeFolder makes dir and what is missing above it, and has each of them fsynced into its parent. A folder found
// there is fsynced too, once: the process that made it may not have come so far.
func (f *Folder) makeFolder(dir string) error {
	f.mu.Lock()
	known := f.durable[dir]
	f.mu.Unlock()
	if known {
		return nil
	}
	if len(dir) > len(f.root) {
		if err := f.makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(dir)); err != nil && !(dir == f.root && errors.Is(err, fs.ErrPermission)) {
		return err // a root's parent that may not be opened existed, with the root in it, before us
	}
	f.mu.Lock()
	f.durable[dir] = true
	f.mu.Unlock()
	return nil
}

// forget drops what is known of the folders, since one of them is gone; each is fsynced again before its next use.
func (f *Folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.durable)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ReadRange implements Store.
func (f *Folder) ReadRange(ctx context.Context, name string, off int64, p []byte) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	file, err := os.Open(f.path(name))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, hint(err))
	}
	defer file.Close()
	if n, err := file.ReadAt(p, off); n < len(p) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read %s: %d bytes at %d: %w", name, len(p), off, err)
	}
	return nil
}

// Stat implements Store.
func (f *Folder) Stat(_ context.Context, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, err
	}
	info, err := os.Lstat(f.path(name))
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return Info{}, fmt.Errorf("look for %s: %w", name, hint(err))
	}
	return Info{Name: name, Size: info.Size()}, nil
}

// List implements Store. Files whose names are not valid are not objects and are passed over.
func (f *Folder) List(ctx context.Context, prefix string, fn func(Info) error) error {
	start := f.root
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir := prefix[:i]
		if err := CheckName(dir); err != nil {
			return err
		}
		start = f.path(dir)
	}
	err := filepath.WalkDir(start, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // never made, or deleted while we walked
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if path == f.root {
			return nil
		}
		name := filepath.ToSlash(strings.TrimPrefix(path[len(f.root):], string(filepath.Separator)))
		if CheckName(name) != nil {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !strings.HasPrefix(name, prefix) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(Info{Name: name, Size: info.Size()})
	})
	if err != nil {
		return fmt.Errorf("list %q: %w", prefix, hint(err))
	}
	return nil
}

// Delete implements Store. A folder that becomes empty goes too.
func (f *Folder) Delete(_ context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	path := f.path(name)
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("delete %s: %w", name, hint(err))
	}
	dir := filepath.Dir(path)
	if err := syncFolder(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: fsync its folder: %w", name, err)
	}
	for ; len(dir) > len(f.root); dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil { // fails where it is not empty
			break
		}
		f.forget()
	}
	return nil
}

// contextReader ends a copy when its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// hint adds to the errors of a file system what the person can do, and makes fs.ErrNotExist an ErrNotExist.
func hint(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (%w)", ErrNotExist, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the repository's file system is full; make room and run again", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the repository's folder must be writable and readable for this user", err)
	}
	return err
}
