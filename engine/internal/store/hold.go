package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Hold implements Holder with flock(2), which the kernel releases when the process ends. The file is locked before
// it gets its name, so that it is never seen without its lock.
func (f *Folder) Hold(_ context.Context, name string) (func() error, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	temp, err := f.newTemp()
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", name, hint(err))
	}
	defer os.Remove(temp.Name())
	if err := f.publish(temp.Name(), name); err != nil {
		_ = temp.Close()
		return nil, err
	}
	path := f.path(name)
	release := func() error {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		_ = os.Remove(filepath.Dir(path)) // where it was the last
		f.forget()
		return errors.Join(err, temp.Close())
	}
	return release, nil
}

// Held implements Holder.
func (f *Folder) Held(_ context.Context, name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	held, err := locked(f.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look whether %s is held: %w", name, hint(err))
	}
	return held, nil
}

func locked(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// CleanTemps removes the temporary files of processes that ended without removing them, and returns how many.
func (f *Folder) CleanTemps(ctx context.Context) (int, error) {
	dir := filepath.Join(f.root, temps)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("clean temporary files: %w", hint(err))
	}
	cleaned := 0
	for _, e := range entries {
		if ctx.Err() != nil {
			return cleaned, context.Cause(ctx)
		}
		path := filepath.Join(dir, e.Name())
		removed, err := removeStale(path)
		if err != nil {
			return cleaned, fmt.Errorf("clean temporary files: %w", hint(err))
		}
		if removed {
			cleaned++
		}
	}
	return cleaned, nil
}

// removeStale removes the file while it holds its lock: a writer that waits for the lock finds its file gone and
// makes another.
func removeStale(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
