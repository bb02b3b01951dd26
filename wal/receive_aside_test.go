package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

func TestWhatIsKeptAsideComesBackInOrder(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	for _, flushed := range []bool{false, true} {
		a := &aside{dir: dir}
		type message struct {
			xid uint32
			b   []byte
		}
		var want []message
		for i := range 2000 {
			n := random.IntN(1000)
			if i%500 == 499 {
				n = asideBuffer + random.IntN(asideBuffer)
			}
			b := append([]byte{'I'}, bytes.Repeat([]byte{byte(i)}, n)...)
			want = append(want, message{uint32(i), b})
			if err := a.keep(uint32(i), b[0], b[1:]); err != nil {
				t.Fatal(err)
			}
			if flushed && i%100 == 0 {
				if err := a.flush(); err != nil {
					t.Fatal(err)
				}
			}
			if len(a.buf) >= asideBuffer {
				t.Fatalf("%d bytes are in memory", len(a.buf))
			}
		}
		for range 2 { // it can be read again
			i := 0
			err := a.each(func(xid uint32, m []byte) error {
				if i >= len(want) || xid != want[i].xid || !bytes.Equal(m, want[i].b) {
					t.Fatalf("message %d is %d, of %d bytes", i, xid, len(m))
				}
				i++
				return nil
			})
			if err != nil || i != len(want) {
				t.Errorf("%d messages, %v", i, err)
			}
		}
		stop := errors.New("stop")
		if err := a.each(func(uint32, []byte) error { return stop }); err != stop {
			t.Errorf("the error is %v", err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("a killed process would leave %v, %v", names, err)
		}
		a.release()
	}
}

func TestTransactionsUnderWayShareTheirMemory(t *testing.T) {
	s := &session{run: &run{Follow: Follow{SpoolDir: t.TempDir()}}, incoming: incoming{streams: streams{open: make(map[uint32]*stream)}}}
	defer s.streams.close()
	row := append([]byte{pgoutput.KindInsert, 0, 0, 0, 0}, make([]byte, 100_000)...)
	for xid := range uint32(500) {
		if err := s.startBlock(&pgoutput.StreamStart{XID: xid + 1, First: true}); err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(row[1:], xid+1)
		if err := s.within(row); err != nil {
			t.Fatal(err)
		}
		if err := s.within([]byte{pgoutput.KindStreamStop}); err != nil {
			t.Fatal(err)
		}
		if memory, _ := s.streams.held(); memory > streamsMemory {
			t.Fatalf("%d transactions under way have %d bytes in memory", xid+1, memory)
		}
	}
	if _, disk := s.streams.held(); disk < 500*100_000-streamsMemory {
		t.Errorf("%d bytes are in files", disk)
	}
}

func TestADiskThatTakesNoMoreOfATransactionUnderWayIsAClearError(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	s := &session{run: &run{Follow: Follow{SpoolDir: missing}}, incoming: incoming{streams: streams{open: make(map[uint32]*stream)}}}
	if err := s.startBlock(&pgoutput.StreamStart{XID: 1, First: true}); err != nil {
		t.Fatal(err)
	}
	err := s.within(append([]byte{pgoutput.KindInsert, 0, 0, 0, 1}, make([]byte, asideBuffer)...))
	var sink *sinkError
	if !errors.As(err, &sink) || !errors.Is(err, os.ErrNotExist) || transient(err) {
		t.Fatalf("the error is %v", err)
	}
	for _, word := range []string{missing, "under way", "have 0 bytes"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q lacks %q", err, word)
		}
	}
}
