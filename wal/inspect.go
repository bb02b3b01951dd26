package wal

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Blocker Severity = "blocker" // following the source cannot work, or harms it
	Warning Severity = "warning" // something is at risk, or not in the backup
	Info    Severity = "info"    // good to know
)

// Finding is one thing that Inspect or Init has to say.
type Finding struct {
	Severity Severity `json:"severity"`
	// Topic is a short fixed word for the thing looked at: wal_level, slot, identity.
	Topic string `json:"topic"`
	// What is how it is; Advice what to do about it, empty if nothing.
	What   string `json:"what"`
	Advice string `json:"advice,omitempty"`
}

func unpublishableFinding(t tableNeed) Finding {
	return Finding{Severity: Warning, Topic: "unpublished",
		What: "the table " + quote(t.schema, t.name) + " has virtual generated columns and no primary key: PostgreSQL refuses to " +
			"publish its updates, so it is not in the log, and a restore has it as of the snapshot",
		Advice: "give it a primary key, or make the columns STORED"}
}
