package main

import (
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/pflag"
)

// addTarget adds the flags that name a recovery target.
func addTarget(f *pflag.FlagSet, t *engine.TargetFlags) {
	f.StringVar(&t.At, "at", "", "as of this `time`: \"2024-12-24 14:30:00\" (local), RFC 3339, \"10m ago\"")
	f.StringVar(&t.LSN, "lsn", "", "with the commits that end at or before this `LSN`")
	f.StringVar(&t.XID, "xid", "", "with transaction `X` and all before it in commit order")
	f.StringVar(&t.BeforeXID, "before-xid", "", "with all transactions before `X` in commit order")
	f.StringVar(&t.Mark, "mark", "", "as of the mark `NAME`")
	f.StringVar(&t.Snapshot, "snapshot", "", "as of the own instant of the snapshot `ID` (or the beginning of it)")
}

// parseTarget reads them; times without a zone are this machine's.
func parseTarget(t engine.TargetFlags) (engine.Target, error) {
	return engine.ParseTarget(t, time.Now(), time.Local)
}
