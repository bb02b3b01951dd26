package majors

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// locked runs fn while holding a lock on a folder of the cache, which it makes: several programs may fetch at once.
func locked(dir string, fn func() error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("lock the cache folder: %w", err)
	}
	defer f.Close() // releases the lock
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the cache folder: %w", err)
	}
	return fn()
}
