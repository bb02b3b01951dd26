package store_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/engine/internal/store/storetest"
)

func TestFolderConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return store.NewFolder(filepath.Join(t.TempDir(), "not", "made", "yet"))
	})
}

func TestCountedConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return store.Count(store.NewFolder(t.TempDir())) })
}

func TestOpenKnowsFoldersAlone(t *testing.T) {
	dir := t.TempDir()
	for _, location := range []string{dir, "file://" + dir} {
		s, err := store.Open(location)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "x"+strings.ReplaceAll(location[:4], "/", "_"), bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "x*")); len(files) != 2 {
		t.Errorf("files %q", files)
	}
	for _, location := range []string{"", "s3://bucket/x", "gs://b", "azblob://b", "file://host/x", "file://x", "http://x"} {
		if _, err := store.Open(location); !errors.Is(err, store.ErrURL) {
			t.Errorf("%q: %v, want ErrURL", location, err)
		}
	}
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "repo")
	s := store.NewFolder(root)
	if err := s.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{"": 0o700, "a": 0o700, "a/b": 0o600} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

// child runs this test binary's test of that name as another process.
func child(t *testing.T, test, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$")
	cmd.Env = append(os.Environ(), "STORE_CHILD="+root)
	return cmd
}

// TestWriterChild is the other process: it begins an object and a hold, says so, and waits to be killed.
func TestWriterChild(t *testing.T) {
	root := os.Getenv("STORE_CHILD")
	if root == "" {
		return // not the child
	}
	s := store.NewFolder(root)
	if _, err := s.Hold(t.Context(), "running/child"); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	go func() {
		_, _ = out.Write([]byte("half of it"))
		_, _ = os.Stdout.WriteString("half\n")
	}()
	_ = s.Put(t.Context(), "a/object", in)
}

func TestAKilledWriterLeavesNothingVisibleAndIsCleaned(t *testing.T) {
	root := t.TempDir()
	s := store.NewFolder(root)
	cmd := child(t, "TestWriterChild", root)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.CleanTemps(t.Context()); err != nil || n != 0 {
		t.Errorf("while it lives: cleaned %d, %v", n, err)
	}
	if held, err := s.Held(t.Context(), "running/child"); err != nil || !held {
		t.Errorf("while it lives: held %v, %v", held, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if held, err := s.Held(t.Context(), "running/child"); err != nil || held {
		t.Errorf("after its death: held %v, %v", held, err)
	}
	var visible []string
	if err := s.List(t.Context(), "", func(i store.Info) error { visible = append(visible, i.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(visible) != 1 || visible[0] != "running/child" {
		t.Errorf("visible: %q", visible)
	}
	// The lock file of Hold shares its inode with no temporary file any more, so two files are gone at most.
	if n, err := s.CleanTemps(t.Context()); err != nil || n == 0 {
		t.Errorf("after its death: cleaned %d, %v", n, err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, ".tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAReleasedHoldIsGone(t *testing.T) {
	s := store.NewFolder(t.TempDir())
	release, err := s.Hold(t.Context(), "running/x")
	if err != nil {
		t.Fatal(err)
	}
	if held, err := s.Held(t.Context(), "running/x"); err != nil || !held {
		t.Errorf("held %v, %v", held, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "running/x"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("after release: %v", err)
	}
	if held, err := s.Held(t.Context(), "running/x"); err != nil || held {
		t.Errorf("held %v, %v", held, err)
	}
}

// TestLimitedChild runs with a limit on the size of files, which fails its writes as a full disk does.
func TestLimitedChild(t *testing.T) {
	root := os.Getenv("STORE_CHILD")
	if root == "" {
		return // not the child
	}
	limit := syscall.Rlimit{Cur: 1 << 16, Max: 1 << 16}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	s := store.NewFolder(root)
	if err := s.Put(t.Context(), "big", bytes.NewReader(make([]byte, 1<<20))); err == nil {
		t.Fatal("a write beyond the limit succeeded")
	}
	if err := s.Put(t.Context(), "small", bytes.NewReader(make([]byte, 1<<10))); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	root := t.TempDir()
	if out, err := child(t, "TestLimitedChild", root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := store.NewFolder(root)
	if _, err := s.Stat(t.Context(), "big"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("big: %v", err)
	}
	if _, err := s.Stat(t.Context(), "small"); err != nil {
		t.Errorf("small: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, ".tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestUnwritableChild writes into a folder that it must not write to.
func TestUnwritableChild(t *testing.T) {
	root := os.Getenv("STORE_CHILD")
	if root == "" {
		return // not the child
	}
	err := store.NewFolder(root).Put(t.Context(), "x", strings.NewReader("x"))
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "writable") {
		t.Fatalf("got %v", err)
	}
}

func TestAnUnwritableFolderIsAClearError(t *testing.T) {
	// Root may write everywhere, so as root the child is another user; its binary must be reachable for that one.
	dir, err := os.MkdirTemp("/tmp", "store-unwritable-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "repo")
	if err := os.Mkdir(root, 0o555); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "test")
	if err := os.WriteFile(exe, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "TestUnwritableChild", root)
	cmd.Path, cmd.Dir = exe, dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
