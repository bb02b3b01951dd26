package trail_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/engine/internal/trail"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// The model: a table whose columns have numbers, on which statements are executed one after the other, and which writes
// what a server would send of them.
type model struct {
	t       *rapid.T
	columns []wal.DDLColumn
	rows    map[int]map[int16]string
	next    int
	key     int16 // 0: REPLICA IDENTITY FULL
	layouts []*format.Layout
	log     []transaction
}

type transaction struct {
	end     format.LSN
	said    []*wal.DDLTable
	records []record
}

type record struct {
	format.Record
	layout *format.Layout
}

func (m *model) live() []wal.DDLColumn {
	return slices.DeleteFunc(slices.Clone(m.columns), func(c wal.DDLColumn) bool { return c.Dropped })
}

func (m *model) identity() string {
	if m.key != 0 {
		return "d"
	}
	return "f"
}

// layout is the one in force, the same again where it was there before.
func (m *model) layout() *format.Layout {
	l := &format.Layout{Table: 1, Schema: "public", Name: "t", ReplicaIdentity: m.identity()}
	for _, c := range m.live() {
		l.Columns = append(l.Columns, format.LayoutColumn{Name: c.Name, Type: c.Type, Typmod: c.Typmod, Key: m.key == 0 || c.Attnum == m.key})
	}
	for _, known := range m.layouts {
		if known.ReplicaIdentity == l.ReplicaIdentity && slices.Equal(known.Columns, l.Columns) {
			return known
		}
	}
	m.layouts = append(m.layouts, l)
	return l
}

func (m *model) line(row map[int16]string) []byte {
	var fields []string
	for _, c := range m.live() {
		fields = append(fields, row[c.Attnum])
	}
	return []byte(strings.Join(fields, "\t"))
}

func (m *model) pick() int {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.rows))).Draw(m.t, "row")
}

func (m *model) value() string {
	return rapid.SampledFrom([]string{`\N`, "", "a", "b", "T1", "T2", `x\ty`, "Tlong"}).Draw(m.t, "value")
}

// set gives a row new values, and a key that no other has.
func (m *model) set(row map[int16]string) map[int16]string {
	row = maps.Clone(row)
	for _, c := range m.live() {
		if _, has := row[c.Attnum]; !has || rapid.IntRange(0, 2).Draw(m.t, "set") == 0 {
			row[c.Attnum] = m.value()
			if c.Attnum == m.key {
				m.next++
				row[c.Attnum] = fmt.Sprint("k", m.next)
			}
		}
	}
	return row
}

func (m *model) old(row map[int16]string) (byte, []byte) {
	if m.key == 0 {
		return format.OldFull, m.line(row)
	}
	key := map[int16]string{}
	for _, c := range m.live() {
		key[c.Attnum] = format.Null
	}
	key[m.key] = row[m.key]
	return format.OldKey, m.line(key)
}

func (m *model) write(x *transaction) {
	what := rapid.IntRange(0, 30).Draw(m.t, "change")
	r := format.Record{Op: format.Truncate}
	switch {
	case what == 30:
		clear(m.rows)
	case what < 10 || len(m.rows) == 0:
		m.next++
		m.rows[m.next] = m.set(map[int16]string{})
		r = format.Record{Op: format.Insert, New: m.line(m.rows[m.next])}
	case what < 22:
		id := m.pick()
		was, now := m.rows[id], m.set(m.rows[id])
		sent := maps.Clone(now)
		for attnum, v := range now {
			if strings.HasPrefix(v, "T") && was[attnum] == v {
				sent[attnum] = format.Unchanged
			}
		}
		r = format.Record{Op: format.Update, New: m.line(sent)}
		if m.key == 0 || now[m.key] != was[m.key] || sent[m.key] == format.Unchanged {
			r.OldKind, r.Old = m.old(was)
		}
		m.rows[id] = now
	default:
		id := m.pick()
		r = format.Record{Op: format.Delete}
		r.OldKind, r.Old = m.old(m.rows[id])
		delete(m.rows, id)
	}
	x.records = append(x.records, record{r, m.layout()})
}

func (m *model) say(x *transaction) {
	x.said = append(x.said, &wal.DDLTable{OID: 1, Schema: "public", Name: "t", Kind: "r", Persistence: "p", Identity: m.identity(), Columns: append([]wal.DDLColumn{}, m.columns...)})
}

func (m *model) add() {
	c := wal.DDLColumn{Attnum: int16(len(m.columns) + 1), Name: rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(m.t, "name"), Type: 25, Typmod: -1}
	if slices.ContainsFunc(m.live(), func(o wal.DDLColumn) bool { return o.Name == c.Name }) {
		return
	}
	field := format.Null
	if rapid.Bool().Draw(m.t, "default") {
		c.HasMissing, c.Missing = true, []byte(rapid.SampledFrom([]string{"", "d", "tab\tand\\"}).Draw(m.t, "missing"))
		field = string(format.AppendField(nil, c.Missing))
	}
	m.columns = append(m.columns, c)
	for _, row := range m.rows {
		row[c.Attnum] = field
	}
}

// alter executes a statement on the table.
func (m *model) alter(x *transaction) {
	live := m.live()
	var c *wal.DDLColumn
	if len(live) > 0 {
		attnum := rapid.SampledFrom(live).Draw(m.t, "column").Attnum
		c = &m.columns[attnum-1]
	}
	switch what := rapid.IntRange(0, 9).Draw(m.t, "statement"); {
	case what < 4 || c == nil:
		m.add()
	case what < 6:
		c.Dropped, c.Type, c.HasMissing = true, 0, false
		for _, row := range m.rows {
			delete(row, c.Attnum)
		}
		if m.key == c.Attnum {
			m.key = 0
		}
	case what < 8:
		m.next++
		c.Name = fmt.Sprint("n", m.next)
		if old := []string{"a", "b", "c"}[m.next%3]; !slices.ContainsFunc(live, func(o wal.DDLColumn) bool { return o.Name == old }) {
			c.Name = old
		}
	default:
		seen := map[string]bool{format.Null: true}
		m.key = c.Attnum
		for _, row := range m.rows {
			if seen[row[c.Attnum]] {
				m.key = 0
			}
			seen[row[c.Attnum]] = true
		}
	}
	m.say(x)
}

func (m *model) transact() {
	x := transaction{end: format.LSN(len(m.log)+1) * 100}
	for range rapid.IntRange(1, 8).Draw(m.t, "statements") {
		if rapid.IntRange(0, 4).Draw(m.t, "ddl") == 0 {
			m.alter(&x)
		} else {
			m.write(&x)
		}
	}
	m.log = append(m.log, x)
}

func (m *model) catalogColumns() (columns []catalog.Column, copied []format.Column) {
	for _, c := range m.live() {
		own := catalog.Column{Attnum: c.Attnum, Name: c.Name, Type: c.Type, Typmod: c.Typmod}
		if c.HasMissing {
			own.Missing = `{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(c.Missing)) + `"}`
		}
		columns = append(columns, own)
		copied = append(copied, format.Column{Attnum: c.Attnum, Name: c.Name, Type: c.Type, Typmod: c.Typmod})
	}
	return columns, copied
}

func (m *model) lines() (lines []string) {
	for _, row := range m.rows {
		lines = append(lines, string(m.line(row)))
	}
	slices.Sort(lines)
	return lines
}

// begin draws the table in its snapshot, or one that is made after it, whose rows may come before its first message.
func begin(t *rapid.T) (m *model, followed *trail.Trail, base []string) {
	m = &model{t: t, rows: map[int]map[int16]string{}}
	for range rapid.IntRange(0, 3).Draw(t, "columns") {
		m.add()
	}
	for i := range m.columns {
		m.columns[i].HasMissing = false
	}
	if rapid.IntRange(0, 3).Draw(t, "made") == 0 {
		x := transaction{end: 50}
		for range rapid.IntRange(0, 3).Draw(t, "rows") {
			m.next++
			m.rows[m.next] = m.set(map[int16]string{})
			x.records = append(x.records, record{format.Record{Op: format.Insert, New: m.line(m.rows[m.next])}, m.layout()})
		}
		m.say(&x)
		m.log = append(m.log, x)
		return m, trail.Made("public.t"), nil
	}
	if n := len(m.columns); n > 0 && rapid.Bool().Draw(t, "keyed") {
		m.key = m.columns[n-1].Attnum
	}
	for range rapid.IntRange(0, 8).Draw(t, "rows") {
		m.next++
		m.rows[m.next] = m.set(map[int16]string{})
	}
	columns, copied := m.catalogColumns()
	data := &format.TableData{OID: 1, Schema: "public", Name: "t", Columns: copied, Identity: format.Identity{Kind: format.IdentityFull}}
	if m.key != 0 {
		data.Identity = format.Identity{Kind: format.IdentityKey, Attnums: []int16{m.key}}
	}
	return m, trail.Of(data, columns, m.identity()), m.lines()
}

func TestRowsFollowedThroughAnyStatementsAreThoseOfTheTable(t *testing.T) {
	dir, followed, refused := t.TempDir(), 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m, followedTrail, base := begin(t)
		for range rapid.IntRange(0, 6).Draw(t, "transactions") {
			m.transact()
		}
		columns, copied := m.catalogColumns()
		got, what := follow(t, dir, m, followedTrail, base, columns, copied)
		if what != "" {
			if !strings.Contains(what, "a column was dropped and one of its name") && !strings.Contains(what, "changed its form and changed it back") {
				t.Fatalf("refused: %s", what)
			}
			refused++
			return
		}
		followed++
		if want := m.lines(); !slices.Equal(got, want) {
			t.Fatalf("followed to %q\nwant        %q\nbase        %q", got, want, base)
		}
	})
	if followed < 5*refused {
		t.Errorf("%d histories were followed and %d refused", followed, refused)
	}
}

// follow brings the base through the log as a restore does, and returns the rows, or why it cannot.
func follow(t *rapid.T, dir string, m *model, followed *trail.Trail, base []string, columns []catalog.Column, copied []format.Column) (out []string, refused string) {
	for _, x := range m.log {
		var counts []trail.Count
		for _, r := range x.records {
			i := slices.IndexFunc(counts, func(c trail.Count) bool { return c.Layout == r.layout })
			if i < 0 {
				i, counts = len(counts), append(counts, trail.Count{Layout: r.layout})
			}
			counts[i].Records++
		}
		if c := followed.Transaction(format.Transaction{EndLSN: x.end}, x.said, counts); c != nil {
			return nil, c.What
		}
	}
	if what := followed.End(columns); what != "" {
		t.Fatalf("at the end: %s", what)
	}
	stages := followed.Stages(copied)
	folds := make([]*fold.Fold, len(stages))
	for i, s := range stages {
		s.Fold.Dir = dir
		f, err := fold.New(s.Fold)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		folds[i] = f
	}
	reader := followed.Reader()
	for _, x := range m.log {
		for _, r := range x.records {
			stage, _, err := reader.Place(r.layout, x.end)
			if err != nil {
				return nil, err.Error()
			}
			if err := folds[stage].Apply(r.Record); err != nil {
				t.Fatal(err)
			}
		}
	}
	var merged []merge.Stage
	var nets []*fold.Net
	for i, f := range folds {
		net, err := f.Seal()
		if err != nil {
			t.Fatal(err)
		}
		defer net.Close()
		if uint64(net.Stats().Records) != stages[i].Records {
			t.Fatalf("stage %d folds %d records, not %d", i, net.Stats().Records, stages[i].Records)
		}
		nets, merged = append(nets, net), append(merged, merge.Stage{Changes: net, Columns: stages[i].Fold.Columns, Reshape: stages[i].Reshape})
	}
	return run(t, merged, nets, base), ""
}

func run(t *rapid.T, stages []merge.Stage, nets []*fold.Net, base []string) (out []string) {
	emit := func(rows []byte) error {
		out = append(out, strings.Split(strings.TrimSuffix(string(rows), "\n"), "\n")...)
		return nil
	}
	if len(base) > 0 {
		if err := merge.NewChain(stages, 0, merge.Options{}).Chunk([]byte(strings.Join(base, "\n")+"\n"), emit); err != nil {
			t.Fatal(err)
		}
	}
	for i, net := range nets {
		added, err := net.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if err := merge.NewChain(stages, i, merge.Options{}).Add(added, 0, added.Len(), emit); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}
