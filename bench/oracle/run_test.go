package oracle

import (
	"os"
	"strings"
	"testing"
	"time"
)

// logWriter passes lines on to the test's log.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func TestEveryPointIsRestoredExactlyAmidWritersAndKills(t *testing.T) {
	o := Options{
		Seed: uint64(time.Now().UnixNano()) % 1e9, Points: 30, Duration: 30 * time.Second, KillEvery: 2 * time.Second,
		SnapshotEvery: 3 * time.Second, Crashes: 1, Log: logWriter{t},
	}
	report, err := Run(t.Context(), o)
	t.Log(report)
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Errorf("not every point was restored exactly; what is left of the run is in %s", report.Dir)
	} else if _, err := os.Stat(report.Dir); report.Dir != "" && err == nil {
		t.Errorf("%s was not removed", report.Dir)
	}
	if report.Points < o.Points || report.StreamKills == 0 {
		t.Errorf("%d points and %d kills of stream are too few to tell anything", report.Points, report.StreamKills)
	}
}
