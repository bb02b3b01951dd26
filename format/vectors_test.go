package format

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorFolder = "testdata/vectors"

// vector is one file of testdata/vectors; SPEC.md describes it.
type vector struct {
	lines []vectorLine
	data  []byte
}

type vectorLine struct{ key, value string }

func (v *vector) get(key string) string {
	for _, l := range v.lines {
		if l.key == key {
			return l.value
		}
	}
	return ""
}

func (v *vector) all(key string) (values []string) {
	for _, l := range v.lines {
		if l.key == key {
			values = append(values, l.value)
		}
	}
	return values
}

func (v *vector) add(key, format string, args ...any) {
	v.lines = append(v.lines, vectorLine{key, fmt.Sprintf(format, args...)})
}

func (v *vector) marshal() []byte {
	var b []byte
	for _, l := range v.lines {
		b = fmt.Appendf(b, "%s: %s\n", l.key, l.value)
	}
	b = append(b, '\n')
	for data := v.data; len(data) > 0; {
		n := min(32, len(data))
		b = fmt.Appendf(b, "%x\n", data[:n])
		data = data[n:]
	}
	return b
}

func parseVector(b []byte) (*vector, error) {
	v := new(vector)
	head, body, found := strings.Cut(string(b), "\n\n")
	if !found {
		return nil, errors.New("no empty line")
	}
	for line := range strings.Lines(head + "\n") {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !found {
			return nil, fmt.Errorf("no key: %q", line)
		}
		v.lines = append(v.lines, vectorLine{key, value})
	}
	data, err := hex.DecodeString(strings.ReplaceAll(body, "\n", ""))
	v.data = data
	return v, err
}

// TestVectors reads every vector of the folder and demands what it says, and that the
// folder holds all that this version makes, so that none gets lost.
func TestVectors(t *testing.T) {
	made := makeVectors(t)
	if *update {
		if err := os.RemoveAll(vectorFolder); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(vectorFolder, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, v := range made {
			if err := os.WriteFile(filepath.Join(vectorFolder, name), v.marshal(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(vectorFolder)
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: go test ./format -run TestVectors -update (%v)", vectorFolder, err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(vectorFolder, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			v, err := parseVector(b)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(v.marshal(), b) {
				t.Error("the vector's own form does not come back")
			}
			if made[f.Name()] == nil {
				t.Error("nothing makes this vector any more")
			}
			delete(made, f.Name())
			checkVector(t, v)
		})
	}
	for name := range made {
		t.Errorf("%s is missing", name)
	}
}

func checkVector(t *testing.T, v *vector) {
	switch v.get("type") {
	case "object":
		checkObjectVector(t, v)
	case "lane", "transactions":
		content, err := recordContent(v)
		checkExpectation(t, v, err)
		if err == nil && strings.Join(content, "\n") != strings.Join(v.all("content"), "\n") {
			t.Errorf("it reads as\n%s", strings.Join(content, "\n"))
		}
	case "row":
		fields, hash := rowContent(v.data)
		if strings.Join(fields, "|") != strings.Join(v.all("field"), "|") {
			t.Errorf("the fields are %q, want %q", fields, v.all("field"))
		}
		if hash != v.get("content-hash") {
			t.Errorf("the content hash is %s, want %s", hash, v.get("content-hash"))
		}
	case "segment-name":
		n, err := ParseSegmentName(string(v.data))
		checkExpectation(t, v, err)
		checkText(t, v, n.String(), err)
	case "lsn":
		l, err := ParseLSN(string(v.data))
		checkExpectation(t, v, err)
		checkText(t, v, l.String(), err)
	case "visibility":
		s, err := ParseVisibility(string(v.data))
		checkExpectation(t, v, err)
		checkText(t, v, s.String(), err)
	default:
		t.Errorf("unknown type %q", v.get("type"))
	}
}

func checkExpectation(t *testing.T, v *vector, err error) {
	t.Helper()
	if want := v.get("expect"); want == "ok" && err != nil || want == "invalid" && err == nil || want != "ok" && want != "invalid" {
		t.Errorf("expected %q: %v", want, err)
	}
}

func checkText(t *testing.T, v *vector, text string, err error) {
	t.Helper()
	if err == nil && text != string(v.data) {
		t.Errorf("it is written %q", text)
	}
}

func checkObjectVector(t *testing.T, v *vector) {
	object, err := vectorObject(v)
	if err != nil {
		t.Fatal(err)
	}
	content, err := objectContent(v.data, object)
	if v.get("expect") == "ok" {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(content, "\n") != strings.Join(v.all("content"), "\n") {
			t.Errorf("it reads as\n%s", strings.Join(content, "\n"))
		}
		return
	}
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("expected the failure %s: %v", v.get("expect"), err)
	}
	if string(corrupt.Failure) != v.get("expect") {
		t.Errorf("expected the failure %s: %v", v.get("expect"), err)
	}
	if chunk := v.get("chunk"); chunk != "" && chunk != strconv.Itoa(corrupt.Chunk) {
		t.Errorf("expected it in chunk %s: %v", chunk, err)
	}
}

// vectorObject is what the vector tells a reader to expect.
func vectorObject(v *vector) (Object, error) {
	o := Object{Name: "vector", Size: int64(len(v.data))}
	for _, kind := range allKinds {
		if kind.String() == v.get("kind") {
			o.Kind = kind
		}
	}
	if v.get("id") == "" {
		return o, nil
	}
	var err error
	o.ID, err = uuid.Parse(v.get("id"))
	return o, err
}

// objectContent reads an object as far as anything can be read of it: all chunks, the
// document too.
func objectContent(data []byte, o Object) (content []string, err error) {
	raws, err := readAll(data, o)
	if err != nil {
		return nil, err
	}
	r, err := OpenObject(context.Background(), Memory(data), o)
	if err != nil {
		return nil, err
	}
	for i, c := range r.Chunks() {
		content = append(content, fmt.Sprintf("%v %d %d %x", c.Kind, c.Table, c.Rows, sha256.Sum256(raws[i])))
	}
	if doc := document(o.Kind); doc != nil {
		if o.Kind == KindSegment {
			err = DecodeDocument(raws[len(raws)-1], doc)
		} else {
			err = ReadDocument(context.Background(), Memory(data), o, doc)
		}
	}
	return content, err
}

func recordContent(v *vector) (content []string, err error) {
	if v.get("type") == "transactions" {
		ts, err := ParseTransactions(v.data)
		for _, t := range ts {
			content = append(content, mustJSON(t))
		}
		return content, err
	}
	for b := v.data; len(b) > 0; {
		var r Record
		if r, b, err = NextRecord(b); err != nil {
			return nil, err
		}
		content = append(content, mustJSON(struct {
			Op                   string
			Txn, Layout          uint32
			OldKind              byte
			Old, New             string
			RestartSequencesFlag bool
		}{string(r.Op), r.Txn, r.Layout, r.OldKind, string(r.Old), string(r.New), r.RestartSequences}))
	}
	return content, nil
}

func rowContent(row []byte) (fields []string, hash string) {
	for _, f := range SplitRow(nil, row) {
		value, null, err := UnescapeField(nil, f)
		switch {
		case string(f) == Unchanged:
			fields = append(fields, "unchanged")
		case err != nil:
			fields = append(fields, "invalid")
		case null:
			fields = append(fields, "null")
		default:
			fields = append(fields, fmt.Sprintf("hex %x", value))
		}
	}
	var h ContentHash
	h.AddRow(row)
	return fields, h.String()
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
