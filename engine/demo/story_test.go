package demo

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheStoryIsTrueAndLeavesNothing: Run compares what it restored with the truth and fails if they differ; here it
// must have come so far, and have removed its server and its folder.
func TestTheStoryIsTrueAndLeavesNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "demo-test-") // not t.TempDir, whose folder the server's account could not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	var told strings.Builder
	if err := Run(t.Context(), Options{Scale: 0.02, Out: &told}); err != nil {
		t.Fatalf("%v\n%s", err, told.String())
	}
	for _, line := range []string{
		`RPO measured: `,
		`DELETE FROM users; \d+ users are gone`,
		`log --table users .* deleted \d+ users`,
		`one table back in .*; [1-9]\d* rows compared with the truth, one by one: equal`,
		`everything back in .*; [1-9]\d* rows compared with the truth, one by one: equal`,
	} {
		if !regexp.MustCompile(line).MatchString(told.String()) {
			t.Errorf("no line like %q in\n%s", line, told.String())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
