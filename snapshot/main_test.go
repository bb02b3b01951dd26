package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

var server *pgtemp.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		server, err = pgtemp.Start(context.Background(), pgtemp.Options{Settings: map[string]string{
			"fsync": "off", "autovacuum": "off", "max_connections": "60"}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Remove()
		return m.Run()
	}())
}

var databases atomic.Int64

// database is one test's database.
type database struct {
	t      *testing.T
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

func newDatabase(t *testing.T, options ...string) *database {
	t.Helper()
	return openDatabase(t, server, options...)
}

func openDatabase(t *testing.T, s *pgtemp.Server, options ...string) *database {
	t.Helper()
	uri, err := s.NewDatabase(t.Context(), fmt.Sprintf("t%d", databases.Add(1)), options...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(uri)
	if err != nil {
		t.Fatal(err)
	}
	return &database{t: t, config: config, conn: connect(t, config)}
}

func connect(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (d *database) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.conn.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *database) text(sql string, args ...any) string {
	d.t.Helper()
	var s string
	if err := d.conn.QueryRow(d.t.Context(), sql, args...).Scan(&s); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// logStart is a log that begins now.
func (d *database) logStart() *format.LogStart {
	d.t.Helper()
	s, err := readSource(d.t.Context(), d.conn)
	if err != nil {
		d.t.Fatal(err)
	}
	// A snapshot's xmax is one past the last transaction that has ended; one that takes an id and ends makes it a bound.
	d.exec(`SELECT pg_current_xact_id()`)
	v, err := format.ParseVisibility(d.text(`SELECT pg_current_snapshot()::text`))
	if err != nil {
		d.t.Fatal(err)
	}
	return &format.LogStart{Log: uuid.New(), SystemID: s.systemID, Timeline: s.timeline, DatabaseOID: s.oid, Visibility: v}
}

// take takes a snapshot and checks what holds for every one.
func (d *database) take(o Options) (*Taken, *memorySink) {
	d.t.Helper()
	sink := &memorySink{}
	taken, err := Take(d.t.Context(), d.config, o, sink)
	if err != nil {
		d.t.Fatal(err)
	}
	d.awaitNoSession()
	sink.check(d.t, taken)
	return taken, sink
}

// awaitNoSession waits until no session of this program is left in the database.
func (d *database) awaitNoSession() {
	d.t.Helper()
	for {
		if d.text(`SELECT count(*)::text || pg_sleep(0.01) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgrecall'`) == "0" {
			return
		}
	}
}

// memorySink keeps parts in memory, by name.
type memorySink struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (m *memorySink) PutPart(_ context.Context, id uuid.UUID, write func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[id.String()] = b.Bytes()
	return id.String(), nil
}

// check holds a snapshot's documents against its parts and each other.
func (m *memorySink) check(t *testing.T, taken *Taken) {
	t.Helper()
	e, b := taken.Envelope, taken.Body
	e.Body.ID = uuid.New() // the caller's to fill in
	if _, err := format.EncodeDocument(e); err != nil {
		t.Error(err)
	}
	if _, err := format.EncodeDocument(b); err != nil {
		t.Error(err)
	}
	var rows, raw, stored int64
	for _, table := range b.Tables {
		var next uint32
		for i, p := range table.Parts {
			if p.FirstBlock != next || (p.EndBlock == 0) != (i == len(table.Parts)-1) {
				t.Errorf("%s.%s: part %d is [%d, %d) after %d", table.Schema, table.Name, i, p.FirstBlock, p.EndBlock, next)
			}
			next = p.EndBlock
			ref := e.Parts[p.Object]
			if ref.Size != int64(len(m.objects[ref.Name])) {
				t.Errorf("part %s has %d bytes, not %d", ref.Name, len(m.objects[ref.Name]), ref.Size)
			}
			stored += ref.Size
		}
		rows, raw = rows+table.Rows, raw+table.RawBytes
	}
	if rows != e.Rows || raw != e.RawBytes || stored != e.StoredBytes {
		t.Errorf("the envelope says %d rows, %d and %d bytes; the tables have %d, %d and %d", e.Rows, e.RawBytes, e.StoredBytes, rows, raw, stored)
	}
}

// table returns what the snapshot holds of a table.
func (taken *Taken) table(t *testing.T, name string) format.TableData {
	t.Helper()
	i := slices.IndexFunc(taken.Body.Tables, func(d format.TableData) bool { return d.Name == name })
	if i < 0 {
		t.Fatalf("table %s is not in the snapshot", name)
	}
	return taken.Body.Tables[i]
}

// rows returns a table's rows from the parts, checked against the counts and hashes in the manifest.
func (m *memorySink) rows(t *testing.T, taken *Taken, name string) []byte {
	t.Helper()
	table := taken.table(t, name)
	var all []byte
	for _, p := range table.Parts {
		ref := taken.Envelope.Parts[p.Object]
		object := format.Memory(m.objects[ref.Name])
		r, err := format.OpenObject(t.Context(), object, format.Object{Name: ref.Name, Size: ref.Size, Kind: format.KindPart, ID: ref.ID})
		if err != nil {
			t.Fatal(err)
		}
		var rows, raw int64
		var hash format.ContentHash
		for i, c := range r.Chunks() {
			b, err := r.ReadChunk(t.Context(), i, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.Table != table.OID {
				t.Errorf("a chunk of %s is said to be of table %d", name, c.Table)
			}
			for line := range bytes.Lines(b) {
				hash.AddRow(line[:len(line)-1])
				rows++
			}
			raw += int64(len(b))
			all = append(all, b...)
		}
		if rows != p.Rows || raw != p.RawBytes || hash != p.ContentHash {
			t.Errorf("a part of %s holds %d rows, %d bytes, %v; the manifest says %d, %d, %v", name, rows, raw, hash, p.Rows, p.RawBytes, p.ContentHash)
		}
	}
	return all
}

// lines returns the rows of a table sorted.
func (m *memorySink) lines(t *testing.T, taken *Taken, name string) []string {
	t.Helper()
	lines := strings.SplitAfter(string(m.rows(t, taken, name)), "\n")
	lines = lines[:len(lines)-1]
	slices.Sort(lines)
	return lines
}

// copyOut returns what COPY prints now in a session with the pinned settings.
func (d *database) copyOut(sql, encoding string) []byte {
	d.t.Helper()
	conn, err := Connect(d.t.Context(), d.config, encoding)
	if err != nil {
		d.t.Fatal(err)
	}
	defer closeConn(d.t.Context(), conn)
	var b bytes.Buffer
	if _, err := conn.PgConn().CopyTo(d.t.Context(), &b, sql); err != nil {
		d.t.Fatal(err)
	}
	return b.Bytes()
}

// noLeak fails the test if it leaves a goroutine behind that was not there before.
func noLeak(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// during returns a hook that acts once, when Take reaches a point, for the tables named or for any.
func (d *database) during(point string, act func(), tables ...string) func(context.Context, string, string) {
	var once sync.Once
	return func(_ context.Context, at, table string) {
		if at == point && (len(tables) == 0 || slices.Contains(tables, table)) {
			once.Do(act)
		}
	}
}
