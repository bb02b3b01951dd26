package engine

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// objects are the files of a repository with a suffix, by size, the largest first.
func objects(t *testing.T, place Place, suffix string) []string {
	t.Helper()
	var files []string
	sizes := map[string]int64{}
	err := filepath.WalkDir(place.Repository, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) && !d.IsDir() {
			info, _ := d.Info()
			files, sizes[path] = append(files, path), info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b string) int { return int(sizes[b] - sizes[a]) })
	return files
}

// flip changes one byte of a file, a third of the way in.
func flip(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 0x40
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedObjectIsNamedAndNeverRestored(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "UPDATE users SET name = 'x' || id")
	drain(t, place, db)
	if _, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		suffix string
		harm   func(t *testing.T, file string)
	}{
		{"a flipped byte of a part", ".part", flip},
		{"a missing part", ".part", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
		{"a shortened part", ".part", func(t *testing.T, file string) {
			if err := os.Truncate(file, 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"a part in the place of another", ".part", func(t *testing.T, file string) {
			b, err := os.ReadFile(objects(t, place, ".part")[1])
			if err == nil {
				err = os.WriteFile(file, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"a flipped byte of a segment", ".segment", flip},
		{"a missing segment", ".segment", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
		{"a flipped byte of an envelope", ".snapshot", flip},
		{"a flipped byte of a body", ".body", flip},
		{"a flipped byte of a log's start", "/start", flip},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := objects(t, place, c.suffix)[0]
			good, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.WriteFile(file, good, 0o600); err != nil {
					t.Fatal(err)
				}
			}()
			lost := c.name == "a missing segment"
			c.harm(t, file)
			v, err := Verify(t.Context(), VerifyOptions{Place: place})
			if lost && len(objects(t, place, ".segment")) == 0 {
				return // the log's last segment: its absence shows in no listing
			}
			if ExitCode(err) != 4 || len(v.Broken) == 0 {
				t.Fatalf("verify: %+v, %v, want exit code 4", v, err)
			}
			rel, _ := filepath.Rel(place.Repository, file)
			if !lost && !strings.Contains(v.Broken[0].Object+v.Broken[0].Reason, filepath.ToSlash(rel)) {
				t.Errorf("verify names %+v, not %s", v.Broken[0], rel)
			}
			if c.suffix == ".part" && v.Broken[0].Table == "" {
				t.Errorf("verify names no table: %+v", v.Broken[0])
			}
			to := newDatabase(t)
			_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to})
			if code := ExitCode(err); code != 4 && !(lost && code == 3) {
				t.Errorf("restore: %v, want exit code 4", err)
			}
			// Nothing false: each table is as it was, or empty, or not there.
			truth := strings.Split(contents(t, db), "\n")
			for _, line := range strings.Split(contents(t, to), "\n") {
				if line != "" && !slices.Contains(truth, line) && !strings.Contains(line, ": 0 ") {
					t.Errorf("restored: %s", line)
				}
			}
		})
	}
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
}

// reads notes each range read from a store.
type reads struct {
	store.Store
	mu     sync.Mutex
	ranges map[string][][2]int64
}

func (r *reads) ReadRange(ctx context.Context, name string, off int64, p []byte) error {
	r.mu.Lock()
	r.ranges[name] = append(r.ranges[name], [2]int64{off, off + int64(len(p))})
	r.mu.Unlock()
	return r.Store.ReadRange(ctx, name, off, p)
}

func (r *reads) Unwrap() store.Store { return r.Store }

func TestARestoreOfOneTableReadsNoOtherTablesChunk(t *testing.T) {
	place, db := protect(t, append(schema,
		"CREATE TABLE big (id int PRIMARY KEY, filler text)",
		"INSERT INTO big SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 20000) i")...)
	exec(t, db, "UPDATE big SET filler = md5(filler) || md5(id::text) || filler", "UPDATE users SET name = 'x' || id")
	drain(t, place, db)
	seen := &reads{ranges: map[string][][2]int64{}}
	watched := place
	watched.watch = func(s store.Store) store.Store { seen.Store = s; return seen }
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: watched, To: to, Tables: []string{"users"}}); err != nil {
		t.Fatal(err)
	}
	users, _, _ := strings.Cut(value(t, db, "SELECT 'users'::regclass::oid::text"), " ")
	checked := 0
	for name, ranges := range seen.ranges {
		kind := map[string]format.ObjectKind{".part": format.KindPart, ".segment": format.KindSegment}[filepath.Ext(name)]
		if kind == 0 {
			continue
		}
		info, err := seen.Stat(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		object, err := format.OpenObject(t.Context(), file{seen.Store, name}, format.Object{Name: name, Size: info.Size, Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		offset := int64(32)
		for _, c := range object.Chunks() {
			end := offset + 44 + int64(c.Stored)
			if c.Table != 0 && users != text(c.Table) {
				checked++
				for _, r := range ranges {
					if r[0] < end && r[1] > offset {
						t.Errorf("%s: the restore of users read %v, chunk %d of table %d at %d", name, r, c.Ordinal, c.Table, offset)
					}
				}
			}
			offset = end
		}
	}
	if checked == 0 {
		t.Error("no chunk of another table was in what was opened: the test shows nothing")
	}
	if got := value(t, to, "SELECT count(*)::text FROM users WHERE name LIKE 'x%'"); got != "2003" {
		t.Errorf("%s users", got)
	}
}

type file struct {
	store store.Store
	name  string
}

func (f file) ReadRange(ctx context.Context, off int64, p []byte) error {
	return f.store.ReadRange(ctx, f.name, off, p)
}

func text(oid uint32) string {
	const digits = "0123456789"
	s := ""
	for ; oid > 0; oid /= 10 {
		s = string(digits[oid%10]) + s
	}
	return s
}

func TestATargetIsSentNoUpdateAndNoDelete(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "UPDATE users SET name = 'x' || id", "DELETE FROM orders WHERE id % 2 = 0", "UPDATE log SET line = 'y'")
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for _, line := range strings.Split(string(log), "\n") {
		_, statement, ok := strings.Cut(line, nameOfDB(to)+"|pgrecall|LOG:  ")
		if !ok {
			continue
		}
		_, sql, _ := strings.Cut(statement, ": ")
		switch word, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(sql)), " "); word {
		case "COPY":
			copies++
		case "UPDATE", "DELETE", "MERGE", "INSERT":
			t.Errorf("sent to the target: %s", sql)
		}
	}
	if copies == 0 {
		t.Error("the server's log shows no COPY: the test shows nothing")
	}
}
