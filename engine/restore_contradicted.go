package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// A source can hold rows that its own constraints contradict: they were written with session_replication_role = replica or
// past disabled triggers, or an index let equal keys in after its collation had changed. A restore brings such rows back as they are and
// does without what they contradict.

// contradicted handles a statement of post-data that failed, if rows contradict it or if it needs what they contradict: a constraint
// that can be is made NOT VALID, and the rest left out. It returns the error of all other failures.
func (r *restore) contradicted(ctx context.Context, conn *pgx.Conn, s *catalog.Statement, failed error) error {
	if !r.contradicts(s, failed) {
		return failed
	}
	left := "left out"
	if s.Unchecked != "" && violates(failed) {
		unchecked := *s
		unchecked.SQL = s.Unchecked
		if err := r.execute(ctx, conn, &unchecked); err != nil {
			return err
		}
		left = "made NOT VALID, and new rows are checked"
	}
	what := fmt.Sprintf("%v: %s", failed, left)
	r.tracer.Note(Note{LevelWarn, "rows contradict what they should obey: " + what})
	r.notDone.Lock()
	defer r.notDone.Unlock()
	r.result.Contradicted = append(r.result.Contradicted, what)
	return nil
}

// contradicts says that rows which are there made the statement fail, or that the want of a constraint or index that they contradict did.
func (r *restore) contradicts(s *catalog.Statement, failed error) bool {
	if s.Section != catalog.PostData {
		return false
	}
	if violates(failed) && slices.Contains([]string{"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "INDEX"}, s.Kind) {
		return true
	}
	r.notDone.Lock()
	defer r.notDone.Unlock()
	// syntax_error_or_access_rule_violation is also what names something that is not there.
	return len(r.result.Contradicted) > 0 && strings.HasPrefix(sqlState(failed), "42")
}

// violates says that the failure is an integrity_constraint_violation (documentation, PostgreSQL Error Codes).
func violates(failed error) bool { return strings.HasPrefix(sqlState(failed), "23") }

// contradictions is the error of a restore that is done but for what rows contradict.
func (r *restore) contradictions() error {
	if len(r.result.Contradicted) == 0 {
		return nil
	}
	return integrityf("all is restored but for constraints and indexes that rows contradict, %d with what needs them, each listed in the result; "+
		"compare with the source, mend the rows, then make what was left out, and VALIDATE what is NOT VALID", len(r.result.Contradicted))
}
