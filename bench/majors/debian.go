package majors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// debian is one major version of PostgreSQL out of one release of Debian, unpacked in a folder:
//
//	apt/   what apt-get needs to work on that release alone: its sources, lists and archives
//	root/  the packages' files, programs wrapped
type debian struct {
	Source
	major      int
	suite, dir string
}

func (d *debian) root() string { return filepath.Join(d.dir, "root") }

// lib is the folder of PostgreSQL's own files in Debian's layout, bin that of its programs.
func (d *debian) lib() string {
	return filepath.Join(d.root(), "usr/lib/postgresql", fmt.Sprint(d.major))
}
func (d *debian) bin() string { return filepath.Join(d.lib(), "bin") }

// pgRegress is the folder of pg_regress, which the server's package has.
func (d *debian) pgRegress() string { return filepath.Join(d.lib(), "lib/pgxs/src/test/regress") }

// headers is the folder of the server's header files.
func (d *debian) headers() string {
	return filepath.Join(d.root(), "usr/include/postgresql", fmt.Sprint(d.major), "server")
}

// fetch makes the folder unless it is complete.
func (d *debian) fetch(ctx context.Context) error {
	complete := filepath.Join(d.dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return nil
	}
	d.logf("PostgreSQL %d: packages of Debian's %s into %s", d.major, d.suite, d.dir)
	return pgtemp.Locked(d.dir, func() error {
		if _, err := os.Stat(complete); err == nil {
			return nil
		}
		if err := os.RemoveAll(d.root()); err != nil {
			return err
		}
		if err := d.download(ctx); err != nil {
			return fmt.Errorf("fetch PostgreSQL %d of Debian's %s: %w", d.major, d.suite, err)
		}
		if err := d.unpack(ctx); err != nil {
			return fmt.Errorf("unpack PostgreSQL %d of Debian's %s: %w", d.major, d.suite, err)
		}
		return os.WriteFile(complete, nil, 0o644)
	})
}

// download fetches the packages with all that they depend on, down to the C library: apt-get is told that nothing is installed.
func (d *debian) download(ctx context.Context) error {
	mirror, err := d.mirror(ctx)
	if err != nil {
		return err
	}
	apt := filepath.Join(d.dir, "apt")
	for _, dir := range []string{"lists/partial", "archives/partial", "none", "log", "headers"} {
		if err := os.MkdirAll(filepath.Join(apt, dir), 0o755); err != nil {
			return err
		}
	}
	sources := fmt.Sprintf("deb %[1]s %[2]s main\ndeb-src %[1]s %[2]s main\n", mirror, d.suite)
	if err := errors.Join(os.WriteFile(filepath.Join(apt, "sources.list"), []byte(sources), 0o644),
		os.WriteFile(filepath.Join(apt, "status"), nil, 0o644)); err != nil {
		return err
	}
	if err := d.apt(ctx, apt, "update"); err != nil {
		return err
	}
	if err := d.apt(ctx, apt, "--yes", "--download-only", "install", fmt.Sprintf("postgresql-%d", d.major), fmt.Sprintf("postgresql-client-%d", d.major)); err != nil {
		return err
	}
	// Its dependencies are compilers: the package alone has the headers.
	return d.apt(ctx, filepath.Join(apt, "headers"), "download", fmt.Sprintf("postgresql-server-dev-%d", d.major))
}

// apt runs apt-get on the folder's own sources and lists, in the folder `in`.
func (d *debian) apt(ctx context.Context, in string, args ...string) error {
	apt := filepath.Join(d.dir, "apt")
	options := []string{"--quiet=2", "-o", "APT::Install-Recommends=false", "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"}
	for _, o := range [][2]string{{"Dir::State", ""}, {"Dir::State::lists", "lists"}, {"Dir::State::status", "status"}, {"Dir::Cache", ""},
		{"Dir::Cache::archives", "archives"}, {"Dir::Etc::sourcelist", "sources.list"}, {"Dir::Etc::sourceparts", "none"},
		{"Dir::Etc::preferences", "preferences"}, {"Dir::Etc::preferencesparts", "none"}, {"Dir::Log", "log"}} {
		options = append(options, "-o", o[0]+"="+filepath.Join(apt, o[1]))
	}
	return command(ctx, in, "apt-get", append(options, args...)...)
}

// mirror is Debian's mirror as this machine's apt is told it.
func (d *debian) mirror(ctx context.Context) (string, error) {
	if d.Mirror != "" {
		return d.Mirror, nil
	}
	out, err := exec.CommandContext(ctx, "apt-get", "update", "--print-uris").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt-get for Debian's mirror (name one, or the programs' folders): %w", err)
	}
	return mirrorOf(string(out))
}

// mirrorOf finds the mirror among the addresses that apt-get would ask: the first of Debian itself, not of its security updates.
func mirrorOf(uris string) (string, error) {
	m := regexp.MustCompile(`(?m)^'(\S+/debian)/dists/`).FindStringSubmatch(uris)
	if m == nil {
		return "", errors.New("this machine's apt names no mirror of Debian; name one, or the programs' folders")
	}
	return m[1], nil
}

// unpack lays the packages' files into root and wraps PostgreSQL's programs.
func (d *debian) unpack(ctx context.Context) error {
	// Debian has /lib and the like in /usr; packages of older releases still name the old places.
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.MkdirAll(filepath.Join(d.root(), "usr", dir), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("usr", dir), filepath.Join(d.root(), dir)); err != nil {
			return err
		}
	}
	var packages []string
	for _, pattern := range []string{"apt/archives/*.deb", "apt/headers/*.deb"} {
		found, err := filepath.Glob(filepath.Join(d.dir, pattern))
		if err != nil {
			return err
		}
		packages = append(packages, found...)
	}
	for _, file := range packages {
		if regexp.MustCompile(notNeeded).MatchString(filepath.Base(file)) {
			continue
		}
		// Not dpkg-deb --extract, which replaces the links above by folders.
		if err := command(ctx, d.root(), "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --no-same-owner`, "sh", file); err != nil {
			return err
		}
	}
	for _, dir := range []string{d.bin(), d.pgRegress()} {
		if err := d.wrap(dir); err != nil {
			return err
		}
	}
	// A server without this module does without just-in-time compilation (provider_init, src/backend/jit/jit.c).
	if err := os.Remove(filepath.Join(d.lib(), "lib/llvmjit.so")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(d.dir, "apt/archives"))
}

// notNeeded are big packages: those of the compiler that just-in-time compilation needs, and of Debian's own scripts.
const notNeeded = `^(libllvm|libz3|perl|libperl|locales|libc-l10n|systemd|libsystemd-shared|dpkg_)`

// wrap puts a script in each program's place that runs it with the libraries and the dynamic loader of its own release. The
// program goes on to find its files by the place that it is told to be in (find_my_exec, src/common/exec.c).
func (d *debian) wrap(dir string) error {
	loader, err := one(filepath.Join(d.root(), "usr/lib*/ld-linux*.so.*"))
	if err != nil {
		return err
	}
	libraries, err := one(filepath.Join(d.root(), "usr/lib/*-linux-gnu*/libc.so.6"))
	if err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	hidden := filepath.Join(dir, ".programs")
	if err := os.Mkdir(hidden, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		path, real := filepath.Join(dir, file.Name()), filepath.Join(hidden, file.Name())
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(content), "\x7fELF") {
			continue
		}
		if err := os.Rename(path, real); err != nil {
			return err
		}
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' --library-path '%s' --argv0 '%s' '%s' \"$@\"\n", loader, filepath.Dir(libraries), path, real)
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// one returns the first file that matches.
func one(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("the packages have no %s", pattern)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// command runs a program in a folder; its output is part of the error.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
