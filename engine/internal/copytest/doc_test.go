// Package copytest tries restores across statements after which the log does not tell what the rows of a table are: points before,
// between, which are refused, and after, where the rows begin with the copy that the stream took.
package copytest

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of these tests.
var server *pgtemp.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(map[string]string{"max_prepared_transactions": "5"}, func(s *pgtemp.Server) int {
		server = s
		return m.Run()
	}))
}

// drainWithout drains without taking copies.
func drainWithout(t *testing.T, place engine.Place, db string) {
	t.Helper()
	if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, NoCopies: true}); err != nil {
		t.Fatal(err)
	}
}

func restore(t *testing.T, place engine.Place, target engine.Target, tables ...string) (string, *engine.RestoreResult, error) {
	t.Helper()
	to := pgtest.NewDatabase(t, server)
	r, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: target, Tables: tables})
	return to, r, err
}

func at(m enginetest.Moment) engine.Target {
	return engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}
}

var points = regexp.MustCompile(`nearest exact point before: --(\S+) ([^\s;]+).*after: --(\S+) ([^\s;]+)`)

// refused restores a moment, which is to be refused with the two nearest points, and says what both are.
func refused(t *testing.T, place engine.Place, m enginetest.Moment) (before, after engine.Target) {
	t.Helper()
	_, _, err := restore(t, place, at(m))
	if err == nil || engine.ExitCode(err) != 3 {
		t.Fatalf("%s: not refused: %v", m.What, err)
	}
	found := points.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if found == nil {
		t.Fatalf("%s: no two points in: %v", m.What, err)
	}
	return targetOf(t, found[1], found[2]), targetOf(t, found[3], found[4])
}

func targetOf(t *testing.T, flag, value string) engine.Target {
	t.Helper()
	var f engine.TargetFlags
	switch flag {
	case "xid":
		f.XID = value
	case "before-xid":
		f.BeforeXID = value
	case "lsn":
		f.LSN = value
	case "snapshot":
		f.Snapshot = value
	}
	target, err := engine.ParseTarget(f, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// equals restores a target and holds it against a moment.
func equals(t *testing.T, place engine.Place, target engine.Target, m enginetest.Moment) *engine.RestoreResult {
	t.Helper()
	to, r, err := restore(t, place, target)
	if err != nil {
		t.Errorf("%s: %v", m.What, err)
		return nil
	}
	m.Equals(t, to)
	return r
}

// copies are the versions of the catalog that have rows of tables.
func copies(t *testing.T, place engine.Place) (found []engine.VersionInfo) {
	t.Helper()
	for _, v := range listed(t, place).Versions {
		if v.CopiedTables > 0 {
			found = append(found, v)
		}
	}
	return found
}

func listed(t *testing.T, place engine.Place) engine.SourceInfo {
	t.Helper()
	r, err := engine.List(t.Context(), engine.ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	return r.Sources[0]
}
