//go:build unix

package pgtemp

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server's programs run as; nil: the caller itself.
type account struct{ uid, gid uint32 }

// serverAccount chooses the account: postgres refuses to run as root (src/backend/main/main.c, check_root).
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return &account{uid: 65534, gid: 65534}, nil // nobody: needs no entry in /etc/passwd
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &account{uid: uint32(uid), gid: uint32(gid)}, nil
}

// own gives a file or folder to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give the server its folder: %w", err)
	}
	return nil
}

// mayEnter checks that every folder above path lets the account through.
func (a *account) mayEnter(path string) error {
	if a == nil {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at the server's folder: %w", err)
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		mine := ok && owner.Uid == a.uid && info.Mode()&0o100 != 0
		if !mine && info.Mode()&0o001 == 0 {
			return fmt.Errorf("user id %d, as which the server runs, cannot enter %s: choose another folder, or chmod o+x it", a.uid, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// attributes puts a program into the account and into a process group of its own, out of reach of the terminal's Ctrl-C.
// Unless it is to outlive this process it dies with it.
func (a *account) attributes(outlive bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	if !outlive {
		dieWithParent(attr)
	}
	return attr
}
