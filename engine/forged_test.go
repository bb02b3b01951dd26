package engine

import (
	"fmt"
	"testing"
)

// TestAMarkThatIsInTheLogTwiceIsAsked: any role may write a message into the log, also one that says it is a mark.
func TestAMarkThatIsInTheLogTwiceIsAsked(t *testing.T) {
	place, db := protect(t, schema...)
	m, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "good"})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, place, db)
	to := newDatabase(t)
	restore := RestoreOptions{Place: place, To: to, Target: Target{Kind: TargetMark, Name: "good"}, DryRun: true}
	if _, err := Restore(t.Context(), restore); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SELECT pg_logical_emit_message(true, 'pgrecall.mark', 'good')")
	drain(t, place, db)
	_, err = Restore(t.Context(), restore)
	contains(t, err, "more than once", fmt.Sprintf("--xid %d", m.XID))
	if ExitCode(err) != 2 {
		t.Errorf("exit code %d", ExitCode(err))
	}
}

// TestNothingIsCopiedIntoTheSchemaOfPgrecall: what lies there is no part of a backup, and uninstall expects its own.
func TestNothingIsCopiedIntoTheSchemaOfPgrecall(t *testing.T) {
	place, db := protect(t, schema...)
	for _, o := range []RestoreOptions{
		{Tables: []string{"users"}, IntoSchema: "pgrecall"},
		{Tables: []string{"users"}, Rename: map[string]string{"users": "pgrecall.users"}},
	} {
		o.Place, o.To = place, db
		if _, err := Restore(t.Context(), o); ExitCode(err) != 2 {
			t.Errorf("%q, %q: %v", o.IntoSchema, o.Rename, err)
		}
	}
}
