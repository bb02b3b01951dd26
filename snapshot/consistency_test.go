package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

func TestMoneyIsNeitherMadeNorLostUnderConcurrentTransfers(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE a (id int PRIMARY KEY, amount int) WITH (fillfactor = 50); INSERT INTO a SELECT g, 100 FROM generate_series(1, 2000) g;
		CREATE TABLE b (LIKE a INCLUDING ALL); INSERT INTO b TABLE a`)
	ctx, stop := context.WithCancel(t.Context())
	var transfers atomic.Int64
	var writers errgroup.Group
	for w := range 3 {
		conn := connect(t, d.config)
		random := rand.New(rand.NewPCG(1, uint64(w)))
		writers.Go(func() error {
			for ctx.Err() == nil {
				from, to, n := random.IntN(2000)+1, random.IntN(2000)+1, random.IntN(50)
				tables := []string{"a", "b"}
				random.Shuffle(2, func(i, j int) { tables[i], tables[j] = tables[j], tables[i] })
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), `UPDATE `+tables[0]+` SET amount = amount - $1 WHERE id = $2`, n, from); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), `UPDATE `+tables[1]+` SET amount = amount + $1 WHERE id = $2`, n, to)
					return err
				})
				if sqlState(err) == "40P01" { // deadlock among the writers
					continue
				}
				if err != nil {
					return err
				}
				transfers.Add(1)
			}
			return nil
		})
	}
	for range 4 {
		before := transfers.Load()
		taken, sink := d.take(Options{Jobs: 3, PartBytes: 32 << 10, Joins: nil, at: func(_ context.Context, point, _ string) {
			for point == "planned" && transfers.Load() < before+20 { // writers are at work between the snapshot and the rows
				runtime.Gosched()
			}
		}})
		sum := 0
		for _, table := range []string{"a", "b"} {
			if len(taken.table(t, table).Parts) < 3 {
				t.Errorf("table %s is in %d parts only", table, len(taken.table(t, table).Parts))
			}
			ids := map[string]bool{}
			for _, line := range sink.lines(t, taken, table) {
				id, amount, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				n, err := strconv.Atoi(amount)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
				ids[id] = true
			}
			if len(ids) != 2000 {
				t.Errorf("table %s has %d ids", table, len(ids))
			}
		}
		if sum != 400000 {
			t.Errorf("the sum is %d", sum)
		}
	}
	stop()
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPartsHoldEveryRowExactlyOnceWhileTheTableChanges(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big (id int PRIMARY KEY, small text, large text) WITH (fillfactor = 60); ALTER TABLE big ALTER large SET STORAGE EXTERNAL`)
	d.exec(`INSERT INTO big SELECT g, 'row ' || g, CASE WHEN g % 50 = 0 THEN repeat(md5(g::text), 300) END FROM generate_series(1, 20000) g`)
	d.exec(`DELETE FROM big WHERE id % 7 = 0 OR id BETWEEN 5000 AND 9000`)
	d.exec(`UPDATE big SET small = small || ' updated' WHERE id % 3 = 0`)
	var want []byte
	var parts atomic.Int64
	other := connect(t, d.config)
	var mu sync.Mutex
	taken, sink := d.take(Options{Jobs: 3, PartBytes: 100 << 10, at: func(ctx context.Context, point, _ string) {
		switch point {
		case "exported":
			want = d.copyOut(`COPY public.big TO STDOUT`, "UTF8")
		case "part":
			mu.Lock()
			defer mu.Unlock()
			n := parts.Add(1)
			_, err := other.Exec(ctx, fmt.Sprintf(`WITH d AS (DELETE FROM big WHERE id %% 31 = %d), u AS (UPDATE big SET small = 'later', large = NULL WHERE id %% 37 = %d)
				INSERT INTO big SELECT g, 'later' FROM generate_series(%d, %d) g`, n%31, n%37, 100000+n*200, 100199+n*200))
			if err != nil {
				t.Error(err)
			}
		}
	}})
	if n := len(taken.table(t, "big").Parts); n < 10 {
		t.Errorf("only %d parts", n)
	}
	lines := strings.SplitAfter(string(want), "\n")
	lines = lines[:len(lines)-1]
	slices.Sort(lines)
	if !slices.Equal(sink.lines(t, taken, "big"), lines) {
		t.Error("the parts are not the rows at the snapshot's instant")
	}
}

func TestRangesCoverATableWithoutOverlapOrHole(t *testing.T) {
	for _, c := range []struct {
		blocks, bytes, part int64
		heap                bool
		want                int
	}{{0, 0, 100, true, 0}, {0, 0, 100, false, 1}, {1, 8192, 100, true, 1}, {10, 81920, 81920, true, 1}, {10, 81921, 81920, true, 2},
		{3, 1 << 30, 1 << 20, true, 3}, {1000, 8192000, 100000, true, 82}, {1000, 8192000, 100000, false, 1}, {1<<32 - 2, 1 << 45, 1 << 28, true, 1 << 17}} {
		ranges := cut(c.blocks, c.bytes, c.part, c.heap)
		if len(ranges) != c.want {
			t.Errorf("%+v: %d ranges", c, len(ranges))
			continue
		}
		var next uint32
		for i, r := range ranges {
			if last := i == len(ranges)-1; r.first != next || (r.end == 0) != last || !last && r.end <= r.first {
				t.Fatalf("%+v: range %d is %+v after %d", c, i, r, next)
			}
			next = r.end
		}
	}
}

// discard counts what it is given.
type discard struct{ bytes atomic.Int64 }

func (d *discard) PutPart(_ context.Context, id uuid.UUID, write func(io.Writer) error) (string, error) {
	return id.String(), write(d)
}

func (d *discard) Write(p []byte) (int, error) {
	d.bytes.Add(int64(len(p)))
	return len(p), nil
}

func TestMemoryDoesNotGrowWithTheTable(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE UNLOGGED TABLE big AS SELECT g AS id, repeat(md5(g::text), 32) AS t FROM generate_series(1, 120000) g`)
	d.exec(`INSERT INTO big VALUES (0, repeat('x', 5000000))`)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, peak := heap(), &progressPeak{heap: heap}
	sink := &discard{}
	taken, err := Take(t.Context(), d.config, Options{Jobs: 2, Tracer: peak}, sink)
	if err != nil {
		t.Fatal(err)
	}
	if taken.Envelope.RawBytes < 100<<20 || taken.Envelope.Rows != 120001 || peak.rows.Load() != 120001 {
		t.Errorf("%d rows of %d bytes, progress of %d rows", taken.Envelope.Rows, taken.Envelope.RawBytes, peak.rows.Load())
	}
	if used := peak.most.Load() - int64(before); used > 80<<20 {
		t.Errorf("%d MiB were used to copy %d MiB", used>>20, taken.Envelope.RawBytes>>20)
	}
}

// progressPeak keeps the most memory that was in use at any chunk.
type progressPeak struct {
	noTracer
	heap       func() uint64
	rows, most atomic.Int64
}

func (p *progressPeak) TraceProgress(x Progress) {
	p.rows.Add(x.Rows)
	if now := int64(p.heap()); now > p.most.Load() {
		p.most.Store(now)
	}
}

func TestARowStreamIsCutAtRowEndsHoweverItArrives(t *testing.T) {
	var stream []byte
	for i := range 30000 {
		stream = fmt.Appendf(stream, "%d\t%s\n", i, strings.Repeat("v", i%100))
	}
	stream = append(append(stream, bytes.Repeat([]byte("w"), 3<<20)...), '\n', '\n')
	for _, size := range []int{1, 7, 4096, 1 << 20, 10 << 20} {
		var object bytes.Buffer
		out, err := format.NewWriter(&object, format.KindPart, uuid.New(), format.None)
		if err != nil {
			t.Fatal(err)
		}
		w := &rowWriter{table: 1, out: out, chunk: func(int64, int64) {}}
		for piece := range slices.Chunk(stream, size) {
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if w.total != 30002 || w.rawBytes != int64(len(stream)) {
			t.Errorf("%d rows of %d bytes", w.total, w.rawBytes)
		}
		r, err := format.OpenObject(t.Context(), format.Memory(object.Bytes()), format.Object{Size: int64(object.Len()), Kind: format.KindPart})
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for i := range r.Chunks() {
			b, err := r.ReadChunk(t.Context(), i, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		if !bytes.Equal(all, stream) {
			t.Error("the chunks are not the stream")
		}
	}
	w := &rowWriter{table: 1, chunk: func(int64, int64) {}}
	if _, err := w.Write([]byte("half a row")); err != nil {
		t.Fatal(err)
	}
	if err := w.finish(); err == nil {
		t.Error("a stream that ends inside of a row was taken")
	}
}

func TestAStandbyIsCopiedWithoutItsUnloggedTablesAndJoinsNoLog(t *testing.T) {
	noLeak(t)
	primary, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { primary.Remove() })
	d := openDatabase(t, primary)
	d.exec(`CREATE TABLE logged (id serial, a int); INSERT INTO logged (a) VALUES (1), (2); CREATE UNLOGGED TABLE unlogged (id serial)`)
	// A cleanly stopped cluster that is told to be a standby is a consistent one at once.
	if err := primary.Stop(); err != nil {
		t.Fatal(err)
	}
	signal := filepath.Join(primary.DataDir(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := primary.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.conn = connect(t, d.config)
	tracer := &notes{}
	taken, sink := d.take(Options{Tracer: tracer})
	if got := string(sink.rows(t, taken, "logged")); got != "1\t1\n2\t2\n" {
		t.Errorf("got %q", got)
	}
	if len(taken.Skipped) != 1 || taken.Skipped[0].Name != "unlogged" || !tracer.has(NoteSkipped) || len(taken.Body.Tables) != 1 {
		t.Errorf("skipped %+v", taken.Skipped)
	}
	if len(taken.Body.Sequences) != 1 || taken.Envelope.Groups[0].LSN == 0 {
		t.Errorf("sequences %+v, group %+v", taken.Body.Sequences, taken.Envelope.Groups[0])
	}
	if _, err := Take(t.Context(), d.config, Options{Joins: &format.LogStart{}}, &memorySink{}); err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("a snapshot of a standby joined a log: %v", err)
	}
}
