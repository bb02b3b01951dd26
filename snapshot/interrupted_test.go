package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

func TestAnInterruptedSnapshotLeavesNothingBehind(t *testing.T) {
	for _, point := range []string{"exported", "planned", "locked", "part", "copied"} {
		t.Run(point, func(t *testing.T) {
			noLeak(t)
			d := newDatabase(t)
			d.exec(`CREATE TABLE big AS SELECT g, repeat('x', 500) FROM generate_series(1, 5000) g; CREATE TABLE other AS SELECT 1 AS a`)
			ctx, cancel := context.WithCancelCause(t.Context())
			reason := errors.New("interrupted")
			_, err := Take(ctx, d.config, Options{Jobs: 3, PartBytes: 256 << 10, at: d.during(point, func() { cancel(reason) })}, &memorySink{})
			if !errors.Is(err, reason) {
				t.Errorf("Take returned %v", err)
			}
			d.awaitNoSession()
		})
	}
}

func TestAnInterruptionEndsACopyInTheMiddleOfATable(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g`)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Take(ctx, d.config, Options{Tracer: &onProgress{do: cancel}}, &memorySink{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Take returned %v", err)
	}
	d.awaitNoSession()
}

type onProgress struct {
	noTracer
	do func()
}

func (o *onProgress) TraceProgress(Progress) { o.do() }

// failing fails after some bytes of an object.
type failing struct {
	err error
	mu  sync.Mutex
	n   int
}

func (f *failing) PutPart(_ context.Context, _ uuid.UUID, write func(io.Writer) error) (string, error) {
	return "", write(f)
}

func (f *failing) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n -= len(p); f.n < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestAStoresErrorEndsTheSnapshotWithThatError(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT g, md5(g::text) FROM generate_series(1, 50000) g`)
	full := errors.New("no space left")
	_, err := Take(t.Context(), d.config, Options{}, &failing{err: full, n: 1 << 20})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "public.big") {
		t.Errorf("Take returned %v", err)
	}
	d.awaitNoSession()
}

func TestALostConnectionOfAnySessionFailsTheSnapshot(t *testing.T) {
	const lead = `xact_start = (SELECT min(xact_start) FROM pg_stat_activity WHERE application_name = 'pgrecall' AND datname = current_database())`
	for _, c := range []struct{ who, point string }{
		{lead, "locked"},
		{lead, "copied"},
		{`query LIKE 'COPY%'`, "part"}, // a worker
	} {
		t.Run(c.point, func(t *testing.T) {
			noLeak(t)
			d := newDatabase(t)
			d.exec(`CREATE TABLE one AS SELECT g FROM generate_series(1, 5000) g`)
			_, err := Take(t.Context(), d.config, Options{Jobs: 1, PartBytes: 32 << 10, at: d.during(c.point, func() {
				if n := d.text(`SELECT count(pg_terminate_backend(pid, 10000))::text FROM pg_stat_activity
				WHERE application_name = 'pgrecall' AND datname = current_database() AND ` + c.who); n != "1" {
					t.Errorf("%s sessions were ended at %s", n, c.point)
				}
			})}, &memorySink{})
			if err == nil {
				t.Errorf("the snapshot succeeded without %s", c.who)
			}
			d.awaitNoSession()
		})
	}
}

func TestTheServerNoticesAPeerThatVanished(t *testing.T) {
	d := newDatabase(t)
	conn, err := Connect(t.Context(), d.config, "")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	var idle, interval, count int // as the socket has them: 0 on a Unix socket
	err = conn.QueryRow(t.Context(), `SELECT current_setting('tcp_keepalives_idle')::int, current_setting('tcp_keepalives_interval')::int,
		current_setting('tcp_keepalives_count')::int`).Scan(&idle, &interval, &count)
	if err != nil || idle != 60 || interval != 10 || count != 6 {
		t.Errorf("%d, %d, %d, %v", idle, interval, count, err)
	}
}

func TestLoadingReturnsTheReadersErrorAndKeepsNothing(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE loaded (a int)`)
	conn, err := Connect(t.Context(), d.config, "")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	broken := errors.New("a part is broken")
	_, err = CopyIn(t.Context(), conn.PgConn(), "public", "loaded", []string{"a"}, io.MultiReader(strings.NewReader("1\n2\n"), &brokenReader{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if n := d.text(`SELECT count(*)::text FROM loaded`); n != "0" {
		t.Errorf("%s rows were kept", n)
	}
	if _, err := CopyIn(t.Context(), conn.PgConn(), "public", "loaded", []string{"a"}, strings.NewReader("no number\n")); sqlState(err) != "22P02" ||
		strings.Contains(fmt.Sprintf("%+v", err), "no number") || !strings.Contains(err.Error(), `column "a"`) {
		t.Errorf("got %v", err)
	}
	if n, err := CopyIn(t.Context(), conn.PgConn(), "public", "loaded", []string{"a"}, strings.NewReader("1\n\\N\n")); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
}

type brokenReader struct{ err error }

func (b *brokenReader) Read([]byte) (int, error) { return 0, b.err }
