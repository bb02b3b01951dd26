package pgoutput

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

var record = flag.Bool("record", false, "record testdata/vectors.txt from a server again")

const vectorFile = "testdata/vectors.txt"

// streamedFile holds what a server sends of transactions under way.
const streamedFile = "testdata/streamed.txt"

// vector is a message that a server sent and what it holds.
type vector struct {
	raw  []byte
	want string
}

func vectors(t testing.TB, file string) []vector {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, want, ok := strings.Cut(lines.Text(), " ")
		raw, err := hex.DecodeString(text)
		if err != nil || !ok {
			t.Fatalf("%s: %.40q is no vector", file, lines.Text())
		}
		all = append(all, vector{raw, want})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return all
}

// workload makes a server send every kind of message.
var workload = []string{
	`create type mood as enum ('sad', 'ok')`,
	`create table keyed (id int primary key, a text, m mood, n numeric(10,2))`,
	`create table toasted (id int primary key, a int, big text)`, `alter table toasted alter big set storage external`,
	`create table whole (a int, b text)`, `alter table whole replica identity full`,
	`create table "Sch""ön" (id int primary key)`, `create table nothing ()`,
	`begin; insert into keyed values (1, 'x', 'sad', 1.5), (2, null, null, null), (3, '', 'ok', 'NaN'); insert into "Sch""ön" values (1); insert into nothing default values; commit`,
	`update keyed set a = e'tab\tnew\nline'`, `update keyed set id = id + 10 where id = 1`, `delete from keyed where id = 2`,
	`insert into toasted values (1, 1, repeat('long', 700))`, `update toasted set a = 2`, `update toasted set id = 2`,
	`insert into whole values (1, null)`, `update whole set b = 'b'`, `delete from whole`,
	`truncate keyed, whole`, `truncate toasted restart identity cascade`,
	`select pg_logical_emit_message(true, 'transactional', 'content')`, `select pg_logical_emit_message(false, 'not', '')`,
	`select pg_replication_origin_create('elsewhere')`, `select pg_replication_origin_session_setup('elsewhere')`,
	`begin; select pg_replication_origin_xact_setup('0/1', '2099-01-01 00:00:00+00'); insert into whole values (2, 'from elsewhere'); commit`,
}

// streamedWorkload makes a server that streams every change at once send every kind of message within blocks, and roll
// back a transaction and a subtransaction of which parts were sent.
var streamedWorkload = []string{
	`create type mood as enum ('sad', 'ok')`, `create table keyed (id int primary key, a text, m mood)`,
	`begin; insert into keyed values (1, 'x', 'sad'); update keyed set a = 'y'; update keyed set id = 2; delete from keyed;
		truncate keyed; select pg_logical_emit_message(true, 'transactional', 'content'); savepoint a; insert into keyed values (3); rollback to a;
		insert into keyed values (4); commit`,
	`begin; insert into keyed values (5); rollback`,
	`select pg_replication_origin_create('elsewhere')`, `select pg_replication_origin_session_setup('elsewhere')`,
	`begin; select pg_replication_origin_xact_setup('0/1', '2099-01-01 00:00:00+00'); insert into keyed values (6); commit`,
}

func TestRecord(t *testing.T) {
	if !*record {
		return
	}
	recordVectors(t, vectorFile, pgtemp.Options{}, workload, `'proto_version', '1'`)
	// PostgreSQL 16 and later
	recordVectors(t, streamedFile, pgtemp.Options{Settings: map[string]string{"debug_logical_replication_streaming": "immediate"}},
		streamedWorkload, `'proto_version', '2', 'streaming', 'on'`)
}

func recordVectors(t *testing.T, file string, options pgtemp.Options, workload []string, protocol string) {
	ctx := t.Context()
	server, err := pgtemp.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	conn, err := pgx.Connect(ctx, server.ConnString("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range append([]string{`create publication p for all tables`,
		`select pg_create_logical_replication_slot('s', 'pgoutput')`}, workload...) {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	rows, err := conn.Query(ctx, `select data from pg_logical_slot_get_binary_changes('s', null, null, `+protocol+`,
		'publication_names', 'p', 'messages', 'true')`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var raw []byte
	var stream streamDecoder
	_, err = pgx.ForEachRow(rows, []any{&raw}, func() error {
		m, err := stream.decode(raw)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%x %s\n", raw, describe(m))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// streamDecoder decodes messages in the order in which a server sends them.
type streamDecoder struct {
	Decoder
	inside bool   // between StreamStart and StreamStop
	xid    uint32 // of the last message within
}

func (d *streamDecoder) decode(b []byte) (Message, error) {
	if d.inside && len(b) > 0 && b[0] != KindStreamStop && b[0] != KindOrigin {
		xid, rest, err := Streamed(b)
		if err != nil {
			return nil, err
		}
		d.xid = xid
		return d.Decode(append([]byte{b[0]}, rest...))
	}
	m, err := d.Decode(b)
	if err == nil {
		d.inside = m.Kind() == KindStreamStart || d.inside && m.Kind() != KindStreamStop
		d.xid = 0
	}
	return m, err
}

// encode writes the message decoded last.
func (d *streamDecoder) encode(m Message) []byte {
	b := encode(m)
	if d.xid == 0 {
		return b
	}
	return append(binary.BigEndian.AppendUint32([]byte{b[0]}, d.xid), b[1:]...)
}

func TestWhatAServerSentIsUnderstoodByteForByte(t *testing.T) {
	for file, all := range map[string]string{vectorFile: "BCORYIUDTM", streamedFile: "SEcAORYIUDTM"} {
		var d streamDecoder
		kinds := make(map[byte]bool)
		for _, v := range vectors(t, file) {
			m, err := d.decode(v.raw)
			if err != nil {
				t.Errorf("%s: %v", v.want, err)
				continue
			}
			kinds[m.Kind()] = true
			if got := describe(m); got != v.want {
				t.Errorf("%s, want %s", got, v.want)
			}
			if !bytes.Equal(d.encode(m), v.raw) {
				t.Errorf("%s: written again it differs", v.want)
			}
		}
		for _, k := range all {
			if !kinds[byte(k)] {
				t.Errorf("no message %q is among the vectors of %s", k, file)
			}
		}
	}
}

func TestATruncatedMessageAndOneByteMoreAreErrors(t *testing.T) {
	for _, file := range []string{vectorFile, streamedFile} {
		var d streamDecoder
		for _, v := range vectors(t, file) {
			within := streamDecoder{inside: d.inside}
			for n := range len(v.raw) {
				m, err := within.decode(v.raw[:n:n])
				var e *Error
				if !errors.As(err, &e) || e.Offset > n {
					t.Fatalf("%s cut to %d bytes: %v, %v", v.want, n, m, err)
				}
			}
			if m, err := within.decode(append(bytes.Clone(v.raw), 0)); err == nil {
				t.Errorf("%s with a byte left over: %v", v.want, m)
			}
			if _, err := d.decode(v.raw); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	for raw, want := range map[string]string{
		"":                            "pgoutput message: empty",
		"Z":                           `pgoutput message 'Z': kind at offset 0: unknown kind of message`,
		"I\x00\x00\x00\x01X":          `pgoutput message 'I': new tuple at offset 5: 'N' wanted, 'X' found`,
		"I\x00\x00\x00\x01N\x00\x01b": `pgoutput message 'I': new tuple at offset 8: column 1: unknown kind 'b'`,
		"I\x00\x00\x00\x01N\x00\x01t\xff\xff\xff\xff": `pgoutput message 'I': new tuple at offset 13: -1 bytes wanted, 0 left`,
		"T\xff\xff\xff\xff\x00":                       `pgoutput message 'T': number of relations at offset 1: negative`,
		"T\x7f\xff\xff\xff\x00":                       `pgoutput message 'T': relation at offset 6: 4 bytes wanted, 0 left`,
		"Y\x00\x00\x00\x01abc":                        `pgoutput message 'Y': schema at offset 5: string has no end`,
	} {
		_, err := Decode([]byte(raw))
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}
}

func TestDecodingARowAllocatesNothing(t *testing.T) {
	raw := encode(&Update{Relation: 1, OldKind: 'K',
		Old: Tuple{{Kind: Text, Text: []byte("1")}, {Kind: Null}}, New: Tuple{{Kind: Text, Text: []byte("2")}, {Kind: Unchanged}}})
	var d Decoder
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.Decode(raw); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each row", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range append(vectors(f, vectorFile), vectors(f, streamedFile)...) {
		f.Add(v.raw)
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := d.Decode(b)
		if err != nil {
			var e *Error
			if m != nil || !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(b) || e.Error() == "" {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		if !bytes.Equal(encode(m), b) {
			t.Fatalf("%s: written again it differs", describe(m))
		}
	})
}

// FuzzStreamed: what is taken apart and put together again is the same, and what follows the transaction's id is decoded
// as it is outside of a block.
func FuzzStreamed(f *testing.F) {
	for _, v := range vectors(f, streamedFile) {
		f.Add(v.raw)
	}
	f.Add([]byte("M\x00\x00\x00\x00\x0100000000\x00\x00\x00\x00\a0000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		xid, rest, err := Streamed(b)
		if err != nil {
			var e *Error
			if rest != nil || !errors.As(err, &e) || e.Offset > len(b) || e.Error() == "" {
				t.Fatalf("%x, %v", rest, err)
			}
			return
		}
		if again := append(binary.BigEndian.AppendUint32([]byte{b[0]}, xid), rest...); !bytes.Equal(again, b) {
			t.Fatalf("%x, put together again %x", b, again)
		}
		d := streamDecoder{inside: true}
		if m, err := d.decode(b); err == nil && !bytes.Equal(d.encode(m), b) {
			t.Fatalf("%s: written again it differs", describe(m))
		}
	})
}

func TestAStreamedCommitIsThatOfTheWholeTransaction(t *testing.T) {
	at := time.Date(2024, 12, 24, 14, 30, 0, 123456000, time.UTC)
	begin, commit := (&StreamCommit{XID: 7, CommitLSN: 11, EndLSN: 13, Time: at}).Whole()
	if want := encode(&Begin{CommitLSN: 11, Time: at, XID: 7}); !bytes.Equal(begin, want) {
		t.Errorf("begin is %x, want %x", begin, want)
	}
	if want := encode(&Commit{CommitLSN: 11, EndLSN: 13, Time: at}); !bytes.Equal(commit, want) {
		t.Errorf("commit is %x, want %x", commit, want)
	}
}
