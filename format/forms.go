package format

import (
	"errors"
	"fmt"
	"time"
)

// Forms is what was seen of the source's tables in one look at its catalog, and the position and visibility of that
// look. It is there to find changes of tables that no message of the log tells of: see SPEC.md, "Forms".
type Forms struct {
	// LSN is a flushed position read before the look: a transaction that begins after Visibility commits beyond it. Until is
	// an insert position read after it: all that Visibility sees ended before.
	LSN   LSN `json:"lsn"`
	Until LSN `json:"until"`
	// After is the Until of the look before, which Tables are relative to; 0 where Complete.
	After LSN `json:"after,omitzero"`
	// Visibility is that of the look.
	Visibility Visibility `json:"visibility"`
	// Time is the source's clock at the look.
	Time time.Time `json:"time"`
	// Digest stands for the forms of all tables: two looks of one source with the same one saw the same forms.
	Digest string `json:"digest"`
	// Storage stands likewise for that of all tables, which Digest does not include.
	Storage string `json:"storage,omitempty"`
	// Roles stands for the names of all roles; empty where no table's column can hold such a name. Names stands for
	// those of all other objects that a column's value can name.
	Roles string `json:"roles,omitempty"`
	Names string `json:"names,omitempty"`
	// Objects is a fingerprint of all objects of the database, 32 hex digits: two looks of one log with the same one saw the
	// same objects. Empty: not taken.
	Objects string `json:"objects,omitempty"`
	// Next is a transaction id that none had when LSN was read; Awaited: commits may have waited for standbys. Both are there with
	// Objects.
	Next    uint64 `json:"next,omitzero"`
	Awaited bool   `json:"awaited,omitempty"`
	// Complete: Tables are all there are. Otherwise they are those that differ from the look before.
	Complete bool `json:"complete,omitempty"`
	// Tables by ascending oid.
	Tables []Form `json:"tables"`
}

// Form is what the rows of one table are written as, for comparison only.
type Form struct {
	// Table is the table's oid on the source; Schema and Name are for people, and may be empty of one that is gone.
	Table  uint32 `json:"table"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Parents are the oids of the tables that it is a partition of, or inherits from.
	Parents []uint32 `json:"parents,omitempty"`
	// Content stands for the table's name and parents, its columns, and recursively what their types are made of.
	// Empty: there is no such table any more.
	Content string `json:"content"`
	// Versions stands for the row versions of the catalog that hold the columns and types: it tells a change that
	// leaves Content as it was.
	Versions string `json:"versions"`
	// Storage stands for what no privilege and no default changes: the file with the rows, and the row versions of the
	// catalog that hold the labels of the types. Empty: it is not known.
	Storage string `json:"storage,omitempty"`
	// File stands for the file with the rows alone. Empty: it is not known.
	File string `json:"file,omitempty"`
	// Since is the lowest id of a transaction, or of a subtransaction, that wrote one of these row versions, of those
	// that may have been written since the look before. 0: there is none, or it is not known.
	Since uint64 `json:"since,omitzero"`
	// Unlisted is UnlistedPending or UnlistedNever of a table that a publication which lists tables does not list, so that its
	// changes are not in the log.
	Unlisted string `json:"unlisted,omitempty"`
}

// Why a table is in no list.
const (
	UnlistedPending = "pending" // it is to be listed, and is not yet
	UnlistedNever   = "never"   // the role that keeps the list may not, or the server cannot publish it
)

// Refiled says whether the rows are in another file, or may be, because the file of one of the forms is not known.
func (f Form) Refiled(other Form) bool {
	if f.File == "" || other.File == "" {
		return f.Storage != other.Storage
	}
	return f.File != other.File
}

// StoredAnew says whether what Storage stands for is known of both forms and differs.
func (f Form) StoredAnew(other Form) bool {
	return f.Storage != "" && other.Storage != "" && f.Storage != other.Storage
}

// Gone says that the table did not exist any more.
func (f Form) Gone() bool { return f.Content == "" }

func (f *Forms) check() error {
	if f == nil {
		return nil
	}
	if f.Visibility.IsZero() || f.Digest == "" || f.Until < f.LSN {
		return errors.New("forms need a visibility, a digest, and positions in order")
	}
	if f.Objects != "" && !isFingerprint(f.Objects) || (f.Objects != "") != (f.Next != 0) {
		return errors.New("objects is no fingerprint of 32 hex digits, or comes without the next transaction id")
	}
	if f.Complete != (f.After == 0) {
		return errors.New("forms are either complete or relative to others")
	}
	for i, t := range f.Tables {
		switch {
		case t.Unlisted != "" && t.Unlisted != UnlistedPending && t.Unlisted != UnlistedNever:
			return fmt.Errorf("table %d is unlisted %q", t.Table, t.Unlisted)
		case i > 0 && t.Table <= f.Tables[i-1].Table:
			return fmt.Errorf("the form of table %d after that of table %d", t.Table, f.Tables[i-1].Table)
		case t.Gone() && f.Complete:
			return fmt.Errorf("table %d is gone and among all tables", t.Table)
		}
	}
	return nil
}
