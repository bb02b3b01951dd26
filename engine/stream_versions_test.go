package engine

import (
	"testing"
	"time"
)

func TestVersionsAreATwentiethOfTheTimeAndFollowEachOtherAfterQuiet(t *testing.T) {
	start := time.Date(2024, 3, 31, 1, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	r := reserve{left: versionReserve, at: start}
	for i := range 3 { // after quiet: none waits
		if rest := r.spend(at(float64(20*i)), at(float64(20*i+20))); rest != 0 {
			t.Fatalf("version %d waits %s for the next", i, rest)
		}
	}
	// 2 s are left, a quarter of one comes, 5 are spent.
	if rest := r.spend(at(60), at(65)); rest != 55*time.Second {
		t.Errorf("after the reserve is gone the wait is %s", rest)
	}
	quiet := at(65 + 24*3600)
	if rest := r.spend(quiet, quiet.Add(versionReserve)); rest != 0 {
		t.Errorf("after a quiet day a minute is followed by a wait of %s", rest)
	}
	if rest := r.spend(quiet.Add(versionReserve), quiet.Add(versionReserve+time.Second)); rest == 0 {
		t.Error("more than the reserve was saved up")
	}
}
