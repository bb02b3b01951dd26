package wal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is a database whose forms are looked at without a log.
type watched struct {
	*testSource
	w    formWatch
	side *side // that looks
}

func newWatched(t *testing.T, name string, statements ...string) *watched {
	s := &watched{testSource: newSource(t, sharedServer(t), name)}
	s.exec(statements...)
	var err error
	if s.side, err = connectSide(t.Context(), s.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.side.close(context.Background()) })
	s.look()
	return s
}

// look looks, and returns the names of the tables that changed, "-" before those that are gone. A look by one who
// knows nothing must see the same.
func (s *watched) look() string {
	s.t.Helper()
	l, err := s.w.look(s.t.Context(), s.side.conn, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.remember(l)
	var fresh formWatch
	whole, err := fresh.look(s.t.Context(), s.side.conn, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if !whole.forms.Complete || whole.forms.Digest != l.forms.Digest || whole.forms.Storage != l.forms.Storage || whole.forms.Roles != l.forms.Roles || whole.forms.Names != l.forms.Names {
		s.t.Errorf("what is known of the forms is not what they are: %+v, %+v", l.forms, whole.forms)
	}
	var names []string
	for oid, f := range l.changed {
		old := l.old[oid]
		if old.content == f.content && old.versions == f.versions && !f.gone {
			continue // only the file
		}
		if old.content == f.content && !f.gone {
			f.name += "*" // only the rows of the catalog
		}
		if old.content == f.content && old.storage != f.storage && !f.gone {
			f.name += "!" // and what no privilege changes
		}
		if f.gone {
			f.name = "-" + f.name
		}
		names = append(names, f.name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// wantChange runs statements, and fails the test where the next look does not see just that, or the one after it anything.
func (s *watched) wantChange(sql, want string) {
	s.t.Helper()
	s.exec(sql)
	if got := s.look(); got != want {
		s.t.Errorf("%s: changed %q, want %q", sql, got, want)
	}
	if got := s.look(); got != "" {
		s.t.Errorf("%s: changed again: %q", sql, got)
	}
}

var formsSchema = []string{
	"create type mood as enum ('sad', 'ok', 'happy')", "create type pair as (a int, m mood)", "create domain moods as mood[]",
	"create table plain (id int primary key, name text, n int default 7)",
	"create table moody (id int primary key, m mood)", "create table paired (id int primary key, p pair[])", "create table domained (m moods)",
	"create table base (a int, m mood)", "create view seen as select id, name from plain", "create table rowed (p base, s seen)",
	"create table parts (id int, day int) partition by range (day)", "create table part1 partition of parts for values from (1) to (10)",
	"create table parent (a int)", "create table child (b int) inherits (parent)",
	"create schema other", "create table other.there (id int)",
	"create materialized view total as select count(*) from plain", "create sequence numbers",
	"insert into plain select i, 'x' from generate_series(1, 100) i",
}

func TestALookTellsWhichTablesChanged(t *testing.T) {
	s := newWatched(t, "forms", formsSchema...)
	byHand := func(sql string) string {
		return "set allow_system_table_mods = on; " + sql + "; reset allow_system_table_mods"
	}
	for _, c := range []struct{ sql, want string }{
		{"alter table plain add extra int default 5", "plain"},
		{"vacuum full plain", "plain*!"}, // it forgets what the column holds in rows of before: a false alarm
		{"vacuum full plain", ""},
		{"alter table plain rename n to m", "plain"},
		{"alter table plain alter m type int using -m", "plain*!"},
		{"alter table plain drop extra", "plain"},
		{byHand("update pg_attribute set attname = 'k' where attrelid = 'plain'::regclass and attname = 'm'"), "plain"},
		{"alter table base add c int", "base rowed"},
		{"grant select (id) on plain to public", "plain*"},
		{"create or replace view seen as select id, name, k from plain", "rowed"},
		{"alter type mood rename value 'sad' to 'x'; alter type mood rename value 'ok' to 'sad'; alter type mood rename value 'x' to 'ok'", "base domained moody paired rowed"},
		{"alter type mood rename value 'sad' to 'x'; alter type mood rename value 'x' to 'sad'", "base*! domained*! moody*! paired*! rowed*!"},
		{byHand("update pg_enum set enumlabel = 'glad' where enumlabel = 'happy'"), "base domained moody paired rowed"},
		{"alter type pair add attribute c int", "paired"},
		{"alter table moody rename to moodier", "moodier"},
		{"alter table moodier set unlogged", "moodier"},
		{"alter schema other rename to another", "there"},
		{"alter table another.there set schema public", "there"},
		{"create table made (id int)", "made"},
		{"create table nothing ()", "nothing"},
		{"drop table made", "-made"},
		{"create table made (id int); drop table made, nothing; create table nothing (id int)", "-nothing nothing"},
		{"alter table parts detach partition part1", "part1"},
		{"alter table parts attach partition part1 for values from (1) to (10)", "part1"},
		{"alter table child no inherit parent", "child"},
		{"begin; alter table plain alter name set statistics 5; savepoint a; alter table child add c int; release a; commit", "child plain*"},
		{"alter table there set schema pgrecall", "-there"},
	} {
		s.wantChange(c.sql, c.want)
	}
}

func TestWhatChangesNoFormIsNotTold(t *testing.T) {
	s := newWatched(t, "quiet", formsSchema...)
	for _, sql := range []string{
		"truncate plain, parts", "insert into plain values (1, 'x', 2); update plain set name = 'y'", "vacuum full plain", "vacuum full",
		"vacuum freeze pg_attribute",
		"vacuum full pg_attribute", "cluster plain using plain_pkey", "analyze", "refresh materialized view total", "reindex table plain",
		"reindex table concurrently plain", "create temp table plain (x int); create temp view v as select 1; drop view v; drop table pg_temp.plain",
		"create index on plain (name)", "create view v as select 1 as a", "grant select on plain to public", "comment on table plain is 'x'",
		"create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger f before insert on plain for each row execute function f()",
		"select nextval('numbers')", "alter table plain disable trigger f", "alter table plain replica identity full", "create type fresh as enum ('a')",
		"begin; alter table plain add x int; rollback", "begin; create table made (id int); drop table made; commit",
		"create role quiet_forms; drop role quiet_forms",
	} {
		s.exec(sql)
		if got := s.look(); got != "" {
			t.Errorf("%s: changed %q", sql, got)
		}
	}
}

func TestALookMissesNoTransactionThatWasRunningAtTheLast(t *testing.T) {
	s := newWatched(t, "running", formsSchema...)
	other := &testSource{t: t, config: s.config}
	other.connect()
	defer other.conn.Close(t.Context())
	other.exec("begin", "insert into plain values (1000, 'z')", "savepoint a", "alter table child add c int", "release a")
	s.exec("alter table moody add c int") // later, and done earlier
	if got := s.look(); got != "moody" {
		t.Errorf("changed %q", got)
	}
	lower := s.w.last.Visibility
	other.exec("commit")
	if got := s.look(); got != "child" {
		t.Errorf("changed %q", got)
	}
	if f := s.w.last.Tables[0]; f.Since < lower.Xmin || f.Since >= lower.Xmax {
		t.Errorf("written since %d, by one that %v does not see", f.Since, lower)
	}
}

func TestNamesAreWatchedWhereATableHoldsThem(t *testing.T) {
	s := newWatched(t, "names", append(formsSchema, "create role names_one")...)
	defer s.exec("drop role names_two")
	if s.w.last.Roles+s.w.last.Names != "" {
		t.Error("names are watched that no table holds")
	}
	s.exec("create domain owner as regrole", "create type callee as (f regproc)", "create table held (o owner[])", "create table called (c callee)")
	s.look()
	for _, c := range []struct {
		sql          string
		roles, names bool
	}{
		{"alter role names_one rename to names_two", true, false},
		{"create function g() returns int language sql as 'select 1'", false, true},
		{"alter function g() rename to h", false, true},
		{"create temp table g (x int)", false, false},
		{"reindex table concurrently plain", false, false},
	} {
		before := s.w.last
		s.exec(c.sql)
		s.look()
		if now := s.w.last; now.Roles != before.Roles != c.roles || now.Names != before.Names != c.names {
			t.Errorf("%s: roles %q → %q, names %q → %q", c.sql, before.Roles, now.Roles, before.Names, now.Names)
		}
	}
}

// A table that left a publication's list for a while, or has a row filter in it, changed: ALTER PUBLICATION does not
// touch the publication's own row, which the log watches, and no event trigger may tell of it.
func TestAPublicationsListIsWatched(t *testing.T) {
	s := newWatched(t, "listed", append(slices.Clone(formsSchema), "drop publication pgrecall", "create publication pgrecall for table only plain, only moody, only child")...)
	for _, c := range []struct{ sql, want string }{
		{"alter publication pgrecall drop table only plain; alter publication pgrecall add table only plain", "plain"},
		{"alter publication pgrecall set table only plain where (id > 7), only moody, only child", "plain"},
		{"alter publication pgrecall drop table only moody", "moody"},
		{"alter publication pgrecall add table only moody", "moody"},
		{"create publication other for table plain; drop publication other", ""},
		{"create table made (id int); alter publication pgrecall add table only made", "made"},
		{"drop table made", "-made"},
		{"truncate child", ""},
	} {
		s.wantChange(c.sql, c.want)
	}
}

func TestALookRestsInProportionToWhatItTook(t *testing.T) {
	s := newWatched(t, "rests", formsSchema...)
	r := &session{run: &run{forms: s.w}, side: s.side}
	look := func() string {
		t.Helper()
		l, err := r.lookAtForms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.forms.remember(l)
		return fmt.Sprint(len(l.forms.Tables), l.forms.Complete, l.forms.Visibility, l.forms.LSN)
	}
	began := time.Now()
	first := look()
	rest := r.forms.rest.Sub(began)
	if took := time.Since(began); rest < took || rest > (lookShare+1)*took {
		t.Errorf("a look of %v is followed by %v without one", took, rest)
	}
	r.forms.rest = time.Now().Add(time.Hour)
	s.exec("alter table plain add extra int")
	if again := look(); again != first {
		t.Errorf("told %s without a look, before it %s", again, first)
	}
	r.forms.rest = time.Time{}
	if now := look(); !strings.HasPrefix(now, "1 false") {
		t.Errorf("then told %s", now)
	}
}
