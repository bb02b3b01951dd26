package format_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

// connect opens a session as every session of ours is: settings pinned, the client's
// encoding the database's own.
func connect(t *testing.T, conninfo, encoding string) *pgconn.PgConn {
	t.Helper()
	config, err := pgconn.ParseConfig(conninfo)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range format.SessionSettings() {
		config.RuntimeParams[name] = value
	}
	config.RuntimeParams["client_encoding"] = encoding
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// TestRowsAreWhatTheServerWrites compares escapes with those of a real server's COPY TO
// for every byte a text can hold, in databases of several encodings, and loads what
// AppendField wrote back into the server.
func TestRowsAreWhatTheServerWrites(t *testing.T) {
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}()
	for _, encoding := range []string{"SQL_ASCII", "LATIN1", "UTF8"} {
		t.Run(encoding, func(t *testing.T) {
			conninfo, err := s.NewDatabase(t.Context(), "rows_"+encoding, "ENCODING '"+encoding+"'")
			if err != nil {
				t.Fatal(err)
			}
			compareWithServer(t, connect(t, conninfo, encoding), encoding)
		})
	}
}

func compareWithServer(t *testing.T, conn *pgconn.PgConn, encoding string) {
	for name, want := range format.SessionSettings() {
		r := conn.ExecParams(t.Context(), "SELECT current_setting($1)", [][]byte{[]byte(name)}, nil, nil, nil).Read()
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if got := string(r.Rows[0][0]); got != want && !(name == "datestyle" && got == "ISO, MDY") {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	last := 255
	if encoding == "UTF8" {
		last = 127
	}
	var want []byte
	insert := "CREATE TABLE public.t (n int, a text, b text, c text); INSERT INTO public.t VALUES (0, '', NULL, E'\\\\.')"
	want = append(want, "0\t\t\\N\t\\\\.\n"...)
	for c := 1; c <= last; c++ {
		value := []byte{byte(c), 'x', byte(c), byte(c)}
		literal := fmt.Sprintf(`E'\x%02[1]xx\x%02[1]x\x%02[1]x'`, c)
		insert += fmt.Sprintf(", (%d, %s, E'\\\\N', E'\\\\u')", c, literal)
		want = fmt.Appendf(want, "%d\t", c)
		want = format.AppendField(want, value)
		want = append(want, "\t\\\\N\t\\\\u\n"...)
	}
	if _, err := conn.Exec(t.Context(), insert).ReadAll(); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := conn.CopyTo(t.Context(), &got, "COPY (SELECT * FROM public.t ORDER BY n) TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("COPY TO writes\n%q\nand we\n%q", got.Bytes(), want)
	}
	for row := range lines(got.Bytes()) {
		fields := format.SplitRow(nil, row)
		if len(fields) != 4 {
			t.Fatalf("%q has %d fields", row, len(fields))
		}
		value, null, err := format.UnescapeField(nil, fields[1])
		if err != nil || null {
			t.Fatalf("%q: %v, %v", fields[1], null, err)
		}
		if n := string(fields[0]); n != "0" && (len(value) != 4 || fmt.Sprint(value[0]) != n || value[1] != 'x') {
			t.Errorf("%q has the value %q", fields[1], value)
		}
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE public.u (LIKE public.t)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.CopyFrom(t.Context(), bytes.NewReader(want), "COPY public.u FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	r := conn.ExecParams(t.Context(), "SELECT count(*) FROM (TABLE public.t EXCEPT ALL TABLE public.u) x", nil, nil, nil, nil).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if differ := string(r.Rows[0][0]); differ != "0" {
		t.Errorf("%s rows differ after loading", differ)
	}
}
