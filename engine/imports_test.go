package engine

import (
	osexec "os/exec"
	"strings"
	"testing"
)

// TestImportsPointOneWay holds the direction format ← wal, snapshot ← engine ← cmd, bench.
func TestImportsPointOneWay(t *testing.T) {
	const module = "github.com/pgrecall/pgrecall/"
	out, err := osexec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	// May says which of our packages each top-level one may import, beside its own.
	may := map[string][]string{
		"format": {}, "wal": {"format"}, "snapshot": {"format"}, "engine": {"format", "wal", "snapshot"},
		"cmd": {"format", "wal", "snapshot", "engine"}, "bench": {"format", "wal", "snapshot", "engine"},
	}
	top := func(path string) string {
		first, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
		return first
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		packages := strings.Fields(line)
		from := top(packages[0])
		seen[from] = true
		for _, imported := range packages[1:] {
			switch {
			case from == "format" && strings.Contains(imported, "pgx"), from == "format" && imported == "net":
				t.Errorf("%s imports %s: format knows no network", packages[0], imported)
			case strings.HasPrefix(packages[0], module+"engine/internal/merge") && imported == "os":
				t.Errorf("%s imports %s: the merge does no I/O", packages[0], imported)
			}
			if !strings.HasPrefix(imported, module) || top(imported) == from {
				continue
			}
			allowed := false
			for _, ok := range may[from] {
				allowed = allowed || ok == top(imported)
			}
			if !allowed {
				t.Errorf("%s imports %s", packages[0], imported)
			}
		}
	}
	for name := range may {
		if name != "bench" && name != "cmd" && !seen[name] {
			t.Errorf("no package under %s was looked at", name)
		}
	}
}
