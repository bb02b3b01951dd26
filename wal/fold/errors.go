package fold

import (
	"errors"
	"fmt"
)

// ErrContradiction is what errors.Is finds in every [ContradictionError].
var ErrContradiction = errors.New("the log contradicts the snapshot")

// ContradictionError says that the records of a table cannot be what happened to
// the snapshot's rows. It is an integrity failure: the table must not be restored
// from this snapshot and log together.
type ContradictionError struct {
	// Table is the table's name as given in Options.
	Table string
	// Reason says what was found. It holds no values of rows.
	Reason string
}

// Error names the table, what was found and what to do.
func (e *ContradictionError) Error() string {
	return fmt.Sprintf("table %s: the log contradicts the snapshot: %s; run verify, and restore from another snapshot or to a point "+
		"before this one's log", e.Table, e.Reason)
}

// Is makes errors.Is(err, ErrContradiction) true.
func (e *ContradictionError) Is(target error) bool { return target == ErrContradiction }

// reason is a contradiction found where the table's name is not known.
type reason string

func (r reason) Error() string { return string(r) }

const (
	reasonFields        reason = "a row has another number of fields than the table has columns"
	reasonNewline       reason = "a row holds a line break"
	reasonKeyNull       reason = "a key is null"
	reasonKeyUnchanged  reason = "a key is missing because it did not change, and no old key was logged"
	reasonExists        reason = "a row is inserted, or moved to a key, where one exists"
	reasonAbsent        reason = "a row is changed or deleted that does not exist"
	reasonUnresolved    reason = "an unchanged value is missing, and no earlier row holds it"
	reasonNoOld         reason = "an update or delete came without the old row that identifies it"
	reasonPartialOld    reason = "the old row of a change holds only a key where the table is identified by all its columns"
	reasonUnknownOp     reason = "a record is of an unknown kind"
	reasonAppeared      reason = "the snapshot holds a row whose key the log inserts as new"
	reasonTwice         reason = "the snapshot holds two rows with the same key"
	reasonOrigin        reason = "two rows come from the same row of the snapshot"
	reasonOtherKey      reason = "the newest version of a row has another key than the row it replaces"
	reasonEmptiedTwice  reason = "a row is changed or deleted that a TRUNCATE before it removed"
	reasonRowsUnmatched        = "%d of %d rows that the log changes or deletes are not in the snapshot"
)

// blame turns a reason into a ContradictionError about the table, and leaves every
// other error as it is.
func blame(table, where string, err error) error {
	var r reason
	if !errors.As(err, &r) {
		return fmt.Errorf("folding the changes of table %s: %w", table, err)
	}
	return &ContradictionError{Table: table, Reason: where + string(r)}
}
