package fold

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// Rows are written with spaces for tabs in these tests.
func row(s string) []byte { return []byte(strings.ReplaceAll(s, " ", "\t")) }

func ins(s string) format.Record { return format.Record{Op: format.Insert, New: row(s)} }
func upd(s string) format.Record { return format.Record{Op: format.Update, New: row(s)} }
func updK(old, s string) format.Record {
	return format.Record{Op: format.Update, OldKind: format.OldKey, Old: row(old), New: row(s)}
}
func updO(old, s string) format.Record {
	return format.Record{Op: format.Update, OldKind: format.OldFull, Old: row(old), New: row(s)}
}
func delK(old string) format.Record {
	return format.Record{Op: format.Delete, OldKind: format.OldKey, Old: row(old)}
}
func delO(old string) format.Record {
	return format.Record{Op: format.Delete, OldKind: format.OldFull, Old: row(old)}
}
func truncate() format.Record { return format.Record{Op: format.Truncate} }

// restore folds the records and merges them with the base rows, one by one.
func restore(o Options, base []string, records []format.Record) ([]string, Stats, error) {
	f, err := New(o)
	if err != nil {
		return nil, Stats{}, err
	}
	defer f.Close()
	for _, r := range records {
		if err := f.Apply(r); err != nil {
			return nil, Stats{}, err
		}
	}
	n, err := f.Seal()
	if err != nil {
		return nil, Stats{}, err
	}
	defer n.Close()
	out, err := merged(n, base)
	return out, n.Stats(), err
}

// merged is the rows of the target, sorted.
func merged(n *Net, base []string) ([]string, error) {
	var out []string
	var b Batch
	for _, s := range base {
		fate, err := n.Match(row(s))
		switch {
		case err != nil:
			return nil, err
		case fate.Untouched():
			out = append(out, s)
		case fate.Replaced():
			b.Reset()
			b.Add(fate, row(s))
			if err := n.Load(&b); err != nil {
				return nil, err
			}
			final, _ := b.Row(0)
			fields := strings.Split(string(final), "\t")
			for i, field := range fields {
				if field == format.Unchanged {
					fields[i] = strings.Split(s, " ")[i]
				}
			}
			out = append(out, strings.Join(fields, " "))
		}
	}
	added, err := n.Finish()
	if err != nil {
		return nil, err
	}
	err = added.Each(0, added.Len(), func(row []byte) error {
		out = append(out, strings.ReplaceAll(string(row), "\t", " "))
		return nil
	})
	slices.Sort(out)
	return out, err
}

type foldCase struct {
	name    string
	columns int
	key     []int // nil: the full row
	base    []string
	records []format.Record
	want    []string // nil: a contradiction
	reason  string
}

func runCases(t *testing.T, cases []foldCase) {
	for _, c := range cases {
		for where, memory := range map[string]int{"in memory": 0, "on disk": 1} {
			t.Run(c.name+" "+where, func(t *testing.T) {
				o := Options{Table: "public.t", Columns: c.columns, Key: c.key, Memory: memory, Dir: t.TempDir()}
				got, _, err := restore(o, c.base, c.records)
				if c.reason != "" {
					if !errors.Is(err, ErrContradiction) || !strings.Contains(err.Error(), c.reason) {
						t.Fatalf("got rows %q and error %v, want a contradiction: %s", got, err, c.reason)
					}
					return
				}
				want := slices.Sorted(slices.Values(c.want))
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("got %q, %v\nwant %q", got, err, want)
				}
			})
		}
	}
}

var first = []int{0}

func TestFoldGivesTheFinalRowsByKey(t *testing.T) {
	runCases(t, []foldCase{
		{name: "no change", columns: 2, key: first, base: []string{"1 a", "2 b"}, want: []string{"1 a", "2 b"}},
		{name: "insert", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{ins("2 b")}, want: []string{"1 a", "2 b"}},
		{name: "update", columns: 2, key: first, base: []string{"1 a", "2 b"}, records: []format.Record{upd("1 x"), upd("1 y")}, want: []string{"1 y", "2 b"}},
		{name: "delete", columns: 2, key: first, base: []string{"1 a", "2 b"}, records: []format.Record{delK(`1 \N`)}, want: []string{"2 b"}},
		{name: "insert and delete", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{ins("2 b"), upd("2 c"), delK(`2 \N`)}, want: []string{"1 a"}},
		{name: "delete and insert", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{delK(`1 \N`), ins("1 b"), upd("1 c")}, want: []string{"1 c"}},
		{name: "changed key", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{updK(`1 \N`, "2 a"), upd("2 b"), updK(`2 \N`, "3 b")}, want: []string{"3 b"}},
		{name: "key changed and back", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{updK(`1 \N`, `2 \u`), updK(`2 \N`, `1 \u`)}, want: []string{"1 a"}},
		{name: "key moved away, another inserted there", columns: 2, key: first, base: []string{"1 a"}, records: []format.Record{updK(`1 \N`, `2 \u`), ins("1 n")}, want: []string{"1 n", "2 a"}},
		{name: "truncate", columns: 2, key: first, base: []string{"1 a", "2 b"}, records: []format.Record{upd("1 x"), ins("3 c"), truncate(), ins("1 n"), upd("1 m")}, want: []string{"1 m"}},
		{name: "NULL, escapes and empty fields", columns: 3, key: []int{1}, base: []string{`\N a\tb `, ` \\u \N`}, records: []format.Record{upd(`\\N a\tb \\u`), upd(`\N \\u `)}, want: []string{`\\N a\tb \\u`, `\N \\u `}},
		{name: "two key columns apart", columns: 3, key: []int{2, 0}, base: []string{"1 a 2", "2 b 1", "12 c "}, records: []format.Record{upd("1 x 2"), updK(`2 \N 1`, `3 \u 1`), delK(`12 \N `)}, want: []string{"1 x 2", "3 b 1"}},
		{name: "key columns joined", columns: 3, key: []int{1, 2}, base: []string{"a 1 2", "b 12 "}, records: []format.Record{upd("x 1 2"), upd("y 12 ")}, want: []string{"x 1 2", "y 12 "}},
		{name: "old row complete where a key would do", columns: 3, key: first, base: []string{"1 a b"}, records: []format.Record{updO("1 a b", `2 \u c`), updO("2 a c", `2 d \u`), delO("2 d c")}, want: []string{}},
	})
}

func TestFoldTakesUnchangedValuesFromTheRowOfOrigin(t *testing.T) {
	runCases(t, []foldCase{
		{name: "one value", columns: 3, key: first, base: []string{"1 L m"}, records: []format.Record{upd(`1 \u x`)}, want: []string{"1 L x"}},
		{name: "several values from several records", columns: 4, key: first, base: []string{"1 A B C"},
			records: []format.Record{upd(`1 \u B2 \u`), upd(`1 \u \u C2`), upd(`1 \u \u \u`)}, want: []string{"1 A B2 C2"}},
		{name: "value of a new row", columns: 3, key: first, records: []format.Record{ins("1 L m"), upd(`1 \u x`), updK(`1 \N \N`, `2 \u y`)}, want: []string{"2 L y"}},
		{name: "keys swapped", columns: 2, key: first, base: []string{"1 A", "2 B"},
			records: []format.Record{updK(`1 \N`, `0 \u`), updK(`2 \N`, `1 \u`), updK(`0 \N`, `2 \u`)}, want: []string{"1 B", "2 A"}},
		{name: "keys swapped twice", columns: 2, key: first, base: []string{"1 A", "2 B"},
			records: []format.Record{updK(`1 \N`, `0 \u`), updK(`2 \N`, `1 \u`), updK(`0 \N`, `2 \u`),
				updK(`1 \N`, `0 \u`), updK(`2 \N`, `1 \u`), updK(`0 \N`, `2 \u`)}, want: []string{"1 A", "2 B"}},
		{name: "keys swapped, one row then deleted", columns: 2, key: first, base: []string{"1 A", "2 B"},
			records: []format.Record{updK(`1 \N`, `0 \u`), updK(`2 \N`, `1 \u`), updK(`0 \N`, `2 \u`), delK(`2 \N`)}, want: []string{"1 B"}},
		{name: "keys rotated, columns from different records", columns: 3, key: first, base: []string{"1 A a", "2 B b", "3 C c"},
			records: []format.Record{updK(`1 \N \N`, `0 \u a2`), updK(`2 \N \N`, `1 \u \u`), updK(`3 \N \N`, `2 C2 \u`), updK(`0 \N \N`, `3 \u \u`), upd(`3 \u \u`)},
			want:    []string{"1 B b", "2 C2 c", "3 A a2"}},
		{name: "a chain of keys, each moved to the next", columns: 2, key: first, base: []string{"1 A", "2 B", "3 C"},
			records: []format.Record{updK(`3 \N`, `4 \u`), updK(`2 \N`, `3 \u`), updK(`1 \N`, `2 \u`), ins("1 N")}, want: []string{"1 N", "2 A", "3 B", "4 C"}},
		{name: "moved onto the key of a deleted row", columns: 2, key: first, base: []string{"1 A", "2 B"},
			records: []format.Record{delK(`2 \N`), updK(`1 \N`, `2 \u`)}, want: []string{"2 A"}},
		{name: "deleted, inserted anew, and the old key taken by another", columns: 2, key: first, base: []string{"1 A", "2 B"},
			records: []format.Record{delK(`1 \N`), ins("1 N"), updK(`1 \N`, `3 \u`), updK(`2 \N`, `1 \u`)}, want: []string{"1 B", "3 N"}},
		{name: "key in TOAST, unchanged", columns: 3, key: first, base: []string{"KEY A m"}, records: []format.Record{updK(`KEY \N \N`, `\u \u x`)}, want: []string{"KEY A x"}},
		{name: "one of two key columns in TOAST, the other changed", columns: 3, key: []int{0, 1}, base: []string{"KEY 1 A"}, records: []format.Record{updK(`KEY 1 \N`, `\u 2 \u`)}, want: []string{"KEY 2 A"}},
		{name: "old row complete, value unchanged", columns: 2, base: []string{"1 L", "1 L"}, records: []format.Record{updO("1 L", `2 \u`)}, want: []string{"1 L", "2 L"}},
	})
}

func TestFoldCountsEqualRowsRight(t *testing.T) {
	runCases(t, []foldCase{
		{name: "one of three deleted", columns: 1, base: []string{"a", "a", "a", "b"}, records: []format.Record{delO("a")}, want: []string{"a", "a", "b"}},
		{name: "all deleted", columns: 1, base: []string{"a", "a"}, records: []format.Record{delO("a"), delO("a")}, want: []string{}},
		{name: "more of them", columns: 1, base: []string{"a"}, records: []format.Record{ins("a"), ins("a"), ins("b")}, want: []string{"a", "a", "a", "b"}},
		{name: "deleted and inserted", columns: 1, base: []string{"a", "b"}, records: []format.Record{delO("a"), ins("a"), ins("b"), delO("b")}, want: []string{"a", "b"}},
		{name: "two deleted, one inserted", columns: 1, base: []string{"a", "a", "a"}, records: []format.Record{delO("a"), delO("a"), ins("a")}, want: []string{"a", "a"}},
		{name: "updated in a circle", columns: 1, base: []string{"a", "b"}, records: []format.Record{updO("a", "c"), updO("b", "a"), updO("c", "b")}, want: []string{"a", "b"}},
		{name: "updated to the same", columns: 1, base: []string{"a"}, records: []format.Record{updO("a", "a")}, want: []string{"a"}},
		{name: "truncate", columns: 1, base: []string{"a", "a"}, records: []format.Record{ins("b"), truncate(), ins("a"), ins("c"), delO("c")}, want: []string{"a"}},
		{name: "no columns", columns: 0, base: []string{"", ""}, records: []format.Record{ins(""), delO(""), ins("")}, want: []string{"", "", ""}},
	})
}

func TestFoldCountsMoreEqualRowsThanFitAnEntry(t *testing.T) {
	const many = 5000
	var base []string
	var records []format.Record
	for range many {
		base = append(base, "a")
		records = append(records, delO("a"), ins("b"))
	}
	got, stats, err := restore(Options{Columns: 1}, base, records)
	if err != nil || len(got) != many || got[0] != "b" {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	if stats.Dropped != many || stats.Added != many {
		t.Fatalf("%+v", stats)
	}
	if _, _, err = restore(Options{Columns: 1}, base[1:], records); !errors.Is(err, ErrContradiction) {
		t.Fatalf("a missing row of many equal ones: %v", err)
	}
}

func TestFoldRefusesALogThatContradictsTheSnapshot(t *testing.T) {
	ab := []string{"1 a", "2 b"}
	runCases(t, []foldCase{
		{name: "insert where the log inserted", columns: 2, key: first, records: []format.Record{ins("1 a"), ins("1 b")}, reason: string(reasonExists)},
		{name: "insert where the log updated", columns: 2, key: first, base: ab, records: []format.Record{upd("1 x"), ins("1 b")}, reason: string(reasonExists)},
		{name: "insert where the base has a row", columns: 2, key: first, base: ab, records: []format.Record{ins("1 x")}, reason: string(reasonAppeared)},
		{name: "insert and delete where the base has a row", columns: 2, key: first, base: ab, records: []format.Record{ins("1 x"), delK(`1 \N`)}, reason: string(reasonAppeared)},
		{name: "key changed to one that exists", columns: 2, key: first, base: ab, records: []format.Record{upd("2 x"), updK(`1 \N`, "2 a")}, reason: string(reasonExists)},
		{name: "key changed to one of the base", columns: 2, key: first, base: ab, records: []format.Record{updK(`1 \N`, "2 a")}, reason: string(reasonAppeared)},
		{name: "delete twice", columns: 2, key: first, base: ab, records: []format.Record{delK(`1 \N`), delK(`1 \N`)}, reason: string(reasonAbsent)},
		{name: "update after delete", columns: 2, key: first, base: ab, records: []format.Record{delK(`1 \N`), upd("1 x")}, reason: string(reasonAbsent)},
		{name: "update of the key before", columns: 2, key: first, base: ab, records: []format.Record{updK(`1 \N`, "3 a"), upd("1 x")}, reason: string(reasonAbsent)},
		{name: "update of a row not there", columns: 2, key: first, base: ab, records: []format.Record{upd("3 x")}, reason: "1 of 1 rows"},
		{name: "delete of a row not there", columns: 2, key: first, base: ab, records: []format.Record{upd("1 x"), delK(`3 \N`)}, reason: "1 of 2 rows"},
		{name: "two base rows with one key", columns: 2, key: first, base: []string{"1 a", "1 b"}, records: []format.Record{upd("1 x")}, reason: string(reasonTwice)},
		{name: "update after truncate", columns: 2, key: first, base: ab, records: []format.Record{truncate(), upd("1 x")}, reason: string(reasonEmptiedTwice)},
		{name: "delete after truncate", columns: 2, key: first, base: ab, records: []format.Record{truncate(), delK(`1 \N`)}, reason: string(reasonEmptiedTwice)},
		{name: "unchanged value in an insert", columns: 2, key: first, records: []format.Record{ins(`1 \u`)}, reason: string(reasonUnresolved)},
		{name: "unchanged key without the old", columns: 2, key: first, base: ab, records: []format.Record{upd(`\u x`)}, reason: string(reasonKeyUnchanged)},
		{name: "null key", columns: 2, key: first, base: ab, records: []format.Record{upd(`\N x`)}, reason: string(reasonKeyNull)},
		{name: "null in one of two key columns", columns: 2, key: []int{0, 1}, base: ab, records: []format.Record{ins(`1 \N`)}, reason: string(reasonKeyNull)},
		{name: "null old key", columns: 2, key: first, base: ab, records: []format.Record{updK(`\N \N`, "1 x")}, reason: string(reasonKeyNull)},
		{name: "delete without identity", columns: 2, key: first, base: ab, records: []format.Record{{Op: format.Delete, New: row("1 a"), Old: row("1 a")}}, reason: string(reasonNoOld)},
		{name: "too few fields", columns: 2, key: first, base: ab, records: []format.Record{upd("1")}, reason: string(reasonFields)},
		{name: "too many fields", columns: 2, key: first, base: ab, records: []format.Record{ins("3 a b")}, reason: string(reasonFields)},
		{name: "old row with too few fields", columns: 2, key: first, base: ab, records: []format.Record{updK("1", "1 x")}, reason: string(reasonFields)},
		{name: "fields where there are no columns", columns: 0, records: []format.Record{ins("a")}, reason: string(reasonFields)},
		{name: "line break", columns: 2, key: first, base: ab, records: []format.Record{upd("1 x\n")}, reason: string(reasonNewline)},
		{name: "base row with too few fields", columns: 3, key: []int{0, 2}, base: ab, records: []format.Record{delK(`1 \N 1`)}, reason: string(reasonFields)},
		{name: "unknown operation", columns: 2, key: first, base: ab, records: []format.Record{{Op: 'X', New: row("1 a")}}, reason: string(reasonUnknownOp)},

		{name: "full row deleted that is not there", columns: 2, base: ab, records: []format.Record{delO("3 c")}, reason: "1 of 1 rows"},
		{name: "full row deleted more often than it is there", columns: 2, base: ab, records: []format.Record{delO("1 a"), delO("1 a")}, reason: "1 of 2 rows"},
		{name: "full row deleted that is not there, inserted later", columns: 2, base: ab, records: []format.Record{delO("3 c"), ins("3 c")}, reason: "1 of 1 rows"},
		{name: "full row updated that is not there", columns: 2, base: ab, records: []format.Record{updO("1 b", "1 c")}, reason: "1 of 1 rows"},
		{name: "full row deleted after truncate", columns: 2, base: ab, records: []format.Record{truncate(), delO("1 a")}, reason: string(reasonEmptiedTwice)},
		{name: "full row, only a key logged", columns: 2, base: ab, records: []format.Record{delK(`1 \N`)}, reason: string(reasonPartialOld)},
		{name: "full row, nothing logged", columns: 2, base: ab, records: []format.Record{upd("1 x")}, reason: string(reasonNoOld)},
		{name: "full row, unchanged in the old row", columns: 2, base: ab, records: []format.Record{updO(`1 \u`, `2 \u`)}, reason: string(reasonUnresolved)},
		{name: "full row, unchanged in an insert", columns: 2, records: []format.Record{ins(`1 \u`)}, reason: string(reasonUnresolved)},
	})
}

func TestOnlyAWholeFieldMeansUnchanged(t *testing.T) {
	for field, want := range map[string]bool{`\u`: true, `\\u`: false, `\\\u`: false, `\u\u`: false, `u`: false, ``: false, `\`: false} {
		for _, s := range []string{field, field + " b", "a " + field, "a " + field + " b", `\\u ` + field} {
			if got := hasUnchanged(row(s)); got != want {
				t.Errorf("%q: %v", s, got)
			}
		}
	}
}

// As if the hashes of two keys were equal.
func TestARowIsNeverReplacedByOneWithAnotherKey(t *testing.T) {
	f, err := New(Options{Table: "public.t", Columns: 2, Key: first})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Apply(upd("1 x")); err != nil {
		t.Fatal(err)
	}
	k := f.rows.(*keyed)
	e, _ := k.table.insert(k.sum([]byte("2")))
	e.val = k.table.find(k.sum([]byte("1"))).val
	n, err := f.Seal()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if out, err := merged(n, []string{"1 a", "2 b"}); !errors.Is(err, ErrContradiction) {
		t.Fatalf("%q, %v", out, err)
	}
}

func TestFoldEndsWithTheFirstError(t *testing.T) {
	f, err := New(Options{Table: "public.t", Columns: 1, Key: first})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := f.Apply(ins("a b"))
	if want == nil || f.Apply(ins("a")) != want {
		t.Fatal("a fold went on after a contradiction")
	}
	if _, err := f.Seal(); err != want {
		t.Fatalf("sealed after a contradiction: %v", err)
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	_, _, err := restore(Options{Table: "public.t", Columns: 2, Key: first}, nil, []format.Record{ins("secret a"), ins("secret b")})
	var c *ContradictionError
	if !errors.As(err, &c) || c.Table != "public.t" || strings.Contains(err.Error(), "secret") {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "change 2") {
		t.Fatalf("the error does not say where: %v", err)
	}
}

func TestStatsTellWhatCameOfTheRecords(t *testing.T) {
	_, s, err := restore(Options{Columns: 2, Key: first, Memory: 1, Dir: t.TempDir()}, []string{"1 a", "2 b", "3 c"},
		[]format.Record{upd("1 x"), upd("1 y"), delK(`2 \N`), updK(`3 \N`, `2 \u`), ins("5 e"), ins("6 f"), delK(`6 \N`)})
	if err != nil {
		t.Fatal(err)
	}
	if s.SpillBytes == 0 || s.TableBytes == 0 {
		t.Errorf("no memory counted: %+v", s)
	}
	s.SpillBytes, s.TableBytes = 0, 0
	if want := (Stats{Records: 7, Inserted: 2, Updated: 3, Deleted: 2, Replaced: 2, Dropped: 1, Added: 1}); s != want {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
}

func TestForTakesTheIdentityOfATable(t *testing.T) {
	table := format.TableData{Schema: "public", Name: "t", Identity: format.Identity{Kind: format.IdentityKey, Attnums: []int16{5, 1}},
		Columns: []format.Column{{Attnum: 1}, {Attnum: 3}, {Attnum: 5}}}
	o, err := For(&table)
	if err != nil || o.Table != "public.t" || o.Columns != 3 || !slices.Equal(o.Key, []int{2, 0}) {
		t.Fatalf("%+v, %v", o, err)
	}
	table.Identity.Attnums = []int16{2}
	if _, err := For(&table); err == nil {
		t.Fatal("an identity over a column that is not copied was taken")
	}
	table.Identity = format.Identity{Kind: format.IdentityFull}
	if o, err := For(&table); err != nil || o.Key != nil {
		t.Fatalf("%+v, %v", o, err)
	}
}
