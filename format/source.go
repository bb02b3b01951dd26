package format

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Config is the document that makes a folder or bucket a repository.
type Config struct {
	// Version is the version of the repository's layout: 1.
	Version int `json:"version"`
	// ID is the repository's own.
	ID uuid.UUID `json:"id"`
	// Created is when it was made, UTC.
	Created time.Time `json:"created"`
}

func (c Config) check() error {
	if c.Version != Version {
		return fmt.Errorf("the repository is of version %d and this program knows version %d: use a newer pgrecall", c.Version, Version)
	}
	return nil
}

// Source is the document that names a source of a repository: a database is the same
// source if system identifier and database oid are the same.
type Source struct {
	// Name is what the person calls it.
	Name string `json:"name"`
	// SystemID is pg_control_system().system_identifier, decimal.
	SystemID string `json:"system_id"`
	// DatabaseOID is pg_database.oid.
	DatabaseOID uint32 `json:"database_oid"`
	// Database is pg_database.datname at the time.
	Database string `json:"database"`
	// Encoding is the database's, as pg_encoding_to_char names it.
	Encoding string `json:"encoding"`
	// Created is when the source was added, UTC.
	Created time.Time `json:"created"`
}

func (s Source) check() error {
	if s.Name == "" || s.SystemID == "" || s.DatabaseOID == 0 {
		return errors.New("a source needs a name, a system identifier and a database")
	}
	return nil
}

// LogStart is the document that begins a log.
type LogStart struct {
	Log uuid.UUID `json:"log"`
	// SystemID, Timeline and DatabaseOID are the source's identity.
	SystemID    string `json:"system_id"`
	Timeline    int32  `json:"timeline"`
	DatabaseOID uint32 `json:"database_oid"`
	// Slot and Publication are the names on the source.
	Slot        string `json:"slot"`
	Publication string `json:"publication"`
	// ConsistentPoint is the slot's: every commit whose record begins at or after it is
	// decoded.
	ConsistentPoint LSN `json:"consistent_point"`
	// Visibility was taken after the slot existed: a snapshot joins this log only if its
	// xmin is at or beyond this one's xmax.
	Visibility Visibility `json:"visibility"`
	// Published is what the source put into the log when it began; zero: not noted.
	Published Publication `json:"published,omitzero"`
	// Created is when the log began, UTC.
	Created time.Time `json:"created"`
}

func (l LogStart) check() error {
	if l.Log == uuid.Nil || l.Visibility.IsZero() {
		return errors.New("the start of a log needs an id and a visibility")
	}
	return nil
}

// Gap is the document that says where a log has a hole.
type Gap struct {
	Log uuid.UUID `json:"log"`
	// From is the end of what was there before the hole.
	From LSN `json:"from"`
	// To is where the log went on; 0: unknown, or it did not.
	To LSN `json:"to"`
	// Reason is for people.
	Reason string `json:"reason"`
	// Noted is when it was found, UTC.
	Noted time.Time `json:"noted"`
}

func (g Gap) check() error {
	if g.To != 0 && g.To < g.From {
		return fmt.Errorf("a gap from %v to %v", g.From, g.To)
	}
	return nil
}

// SequenceSample is a sequence's state at some moment.
type SequenceSample struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Value is last_value, Called is_called.
	Value  int64 `json:"value"`
	Called bool  `json:"called"`
}

// Filter is what a snapshot was restricted to, as the person gave it: patterns as
// psql's; or, of a copy of tables, their OIDs.
type Filter struct {
	Tables        []string `json:"tables"`
	ExcludeTables []string `json:"exclude_tables"`
	Schemas       []string `json:"schemas"`
	OIDs          []uint32 `json:"oids,omitempty"`
}
