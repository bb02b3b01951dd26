package majors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Tests is how PostgreSQL's regression tests went.
type Tests struct {
	// Dir holds their files, results/ among them.
	Dir    string
	Run    int
	Failed []string
}

// RegressOptions say which tests are run, and where.
type RegressOptions struct {
	// Of is the major version whose tests they are; 0 is the server's own. Most of another's pass too.
	Of int
	// Dir is a new folder for the tests' files, which is to stay as long as the database is used: its functions are in a
	// library there.
	Dir string
	// Existing runs them in a database `regression` that is there and empty, instead of making it.
	Existing bool
}

// Regress runs PostgreSQL's own regression tests, its whole parallel schedule, on a server of Server's that belongs to a
// major version of WithDebian. They leave behind the database `regression`. Tests that fail are not an error: some depend
// on the machine.
func (s Source) Regress(ctx context.Context, server *pgtemp.Server, o RegressOptions) (*Tests, error) {
	dir := o.Dir
	d, err := s.debian(ctx, server.Version())
	if err != nil {
		return nil, err
	}
	tests := d
	if o.Of != 0 {
		if tests, err = s.debian(ctx, o.Of); err != nil {
			return nil, err
		}
	}
	archive, err := tests.sources(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.layTests(ctx, archive, dir); err != nil {
		return nil, fmt.Errorf("lay out the regression tests of PostgreSQL %d: %w", d.major, err)
	}
	owner, err := giveTo(dir, server.DataDir())
	if err != nil {
		return nil, err
	}
	s.logf("PostgreSQL %d: running its regression tests", d.major)
	cmd := exec.CommandContext(ctx, filepath.Join(tests.pgRegress(), "pg_regress"), "--bindir="+d.bin(), "--dlpath="+dir,
		"--inputdir="+dir, "--outputdir="+dir,
		"--max-concurrent-tests=20", "--schedule="+filepath.Join(dir, "parallel_schedule"),
		"--host=127.0.0.1", "--port="+strconv.Itoa(server.Port()), "--user=postgres")
	if o.Existing {
		cmd.Args = append(cmd.Args, "--use-existing")
	}
	cmd.Dir = dir // where it looks for expected/
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	out, err := cmd.CombinedOutput()
	went := readTests(string(out))
	went.Dir = dir
	// 1 is that tests failed (src/test/regress/pg_regress.c).
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || went.Run == 0) {
		return nil, fmt.Errorf("pg_regress: %w: %s", err, out)
	}
	return went, os.WriteFile(filepath.Join(dir, "pg_regress.log"), out, 0o644)
}

// readTests reads pg_regress's report, whose lines are TAP's since PostgreSQL 16.
func readTests(out string) *Tests {
	t := &Tests{}
	line := regexp.MustCompile(`(?m)^(?:(ok|not ok) +\d+ +[-+] (\S+)|(?:test|    ) (\S+) +\.\.\. (ok|FAILED))`)
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		t.Run++
		if m[1] == "not ok" || m[4] == "FAILED" {
			t.Failed = append(t.Failed, m[2]+m[3])
		}
	}
	return t
}

// layTests unpacks the tests out of a source package and compiles their library for d's server.
func (d *debian) layTests(ctx context.Context, archive, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := command(ctx, dir, "tar", "--extract", "--file="+archive, "--strip-components=4", "--wildcards", "*/src/test/regress/*"); err != nil {
		return err
	}
	// The flags of src/Makefile.global that change what the code does; and headers that older code had by way of others.
	if err := command(ctx, dir, "gcc", "-O2", "-fPIC", "-shared", "-fno-strict-aliasing", "-fwrapv", "-fexcess-precision=standard", "-w",
		"-I"+d.headers(), "-include", "postgres.h", "-include", "utils/array.h", "-o", "regress.so", "regress.c"); err != nil {
		return err
	}
	// contrib/spi's modules are used as the tests' own where they exist.
	for _, name := range []string{"autoinc.so", "refint.so"} {
		content, err := os.ReadFile(filepath.Join(d.lib(), "lib", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, "testtablespace"), 0o755)
}

// sources fetches the source package and returns its archive.
func (d *debian) sources(ctx context.Context) (string, error) {
	dir := filepath.Join(d.dir, "source")
	pattern := filepath.Join(dir, "*.orig.tar.*")
	err := pgtemp.Locked(dir, func() error {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return nil
		}
		d.logf("PostgreSQL %d: source package of Debian's %s", d.major, d.suite)
		return d.apt(ctx, dir, "source", "--download-only", "postgresql-"+strconv.Itoa(d.major))
	})
	if err != nil {
		return "", err
	}
	return one(pattern)
}

// giveTo gives a folder with all in it to the owner of another: the account that a throwaway server runs as.
func giveTo(dir, like string) (*syscall.Credential, error) {
	info, err := os.Stat(like)
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: its owner is not known", like)
	}
	if int(owner.Uid) == os.Geteuid() {
		return nil, nil
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(filepath.Base(path), ".lock") {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	return &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}, err
}
