package fidelity

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what was found of one database on one major version.
type Result struct {
	Major int
	// Way is how the copy was made.
	Way string
	// Source is the picture of the source, Differences what is not the same in the restored copy.
	Source      Picture
	Differences []Difference
	// Baseline is what is not the same in the copy made by pg_dump and psql, where one was made.
	Baseline []Difference
	// LeftOut are the things that snapshot and restore said they leave out.
	LeftOut []string
	// Failure is why there is no restored copy; Failures are then the statements that fail, each tried by itself.
	Failure  error
	Failures []string
	// Tests is how the regression tests went, empty for the fixture; OtherTests are those that went otherwise because they were followed.
	Tests      string
	OtherTests []TestDifference
	Took       time.Duration
}

// TestDifference is a regression test whose output is another where it is followed.
type TestDifference struct {
	Name string
	// Lines are those that only one of the outputs has.
	Lines []string
	// Why is the reason for which it is accepted, empty if it is a failure.
	Why string
}

// String names it with the reason, or shows the lines.
func (d TestDifference) String() string {
	text := fmt.Sprintf("%s: %d lines %s", d.Name, len(d.Lines), d.Why)
	if d.Why != "" {
		return text
	}
	return text + "\n    " + strings.Join(d.Lines, "\n    ")
}

// onlySchema leaves out of the result what a copy without rows cannot have.
func (r *Result) onlySchema() {
	content := func(i Item) bool {
		return i.Kind != Entry && i.Kind != NotNulls && i.Kind != DDL || i.Kind == DDL && strings.HasPrefix(i.Name, "MATERIALIZED VIEW DATA ")
	}
	r.Differences = slices.DeleteFunc(r.Differences, func(d Difference) bool { return content(d.Item) })
	maps.DeleteFunc(r.Source, func(i Item, _ string) bool { return content(i) })
}

// OK tells that there was something to copy, and that the copy is the source, but for what is accepted.
func (r *Result) OK() bool {
	unexplained := slices.ContainsFunc(r.OtherTests, func(d TestDifference) bool { return d.Why == "" })
	return r.Failure == nil && r.Source.count(Entry) > 0 && len(r.unexplained()) == 0 && !unexplained
}

func (r *Result) unexplained() []Difference {
	var d []Difference
	for _, one := range r.Differences {
		if one.Why == "" {
			d = append(d, one)
		}
	}
	return d
}

// differ is how many items of the given kinds differ, and how many of them are accepted.
func differ(d []Difference, kinds ...Kind) string {
	n, accepted := 0, 0
	for _, one := range d {
		for _, k := range kinds {
			if one.Item.Kind == k {
				n++
				if one.Why != "" {
					accepted++
				}
			}
		}
	}
	if accepted > 0 {
		return fmt.Sprintf("%d (%d accepted)", n, accepted)
	}
	return fmt.Sprint(n)
}

// PrintTable writes one line for each result, in Markdown.
func PrintTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| major\t| copied by\t| entries of pg_dump, globals\t| differ\t| tables\t| differ\t| sequences, large objects\t| "+
		"differ\t| own DDL\t| differ\t| pg_dump's copy: entries\t| tables\t| seconds\t|")
	fmt.Fprintln(t, "|"+strings.Repeat(" ---\t|", 13))
	for _, r := range results {
		cells := []string{fmt.Sprint(r.Major), r.Way}
		for _, kinds := range [][]Kind{{Entry, Global}, {Rows}, {Sequence, LargeObject}, {DDL}} {
			shown := kinds
			if kinds[0] == Entry {
				shown = append(shown, NotNulls)
			}
			different := differ(r.Differences, shown...)
			if r.Failure != nil {
				different = "no copy"
			}
			cells = append(cells, fmt.Sprint(r.Source.count(kinds...)), different)
		}
		baseline := []string{"", ""}
		if r.Baseline != nil {
			baseline = []string{differ(r.Baseline, Entry), differ(r.Baseline, Rows)}
		}
		cells = append(append(cells, baseline...), fmt.Sprintf("%.0f", r.Took.Seconds()))
		fmt.Fprintln(t, "| "+strings.Join(cells, "\t| ")+"\t|")
	}
	return t.Flush()
}

// PrintDetails writes everything that differs, was left out or failed.
func (r *Result) PrintDetails(w io.Writer) {
	fmt.Fprintf(w, "\n## PostgreSQL %d, copied by %s\n", r.Major, r.Way)
	if r.Tests != "" {
		fmt.Fprintf(w, "%s\n", r.Tests)
	}
	var others []string
	for _, d := range r.OtherTests {
		others = append(others, d.String())
	}
	list(w, "tests with other output where they are followed", others)
	if r.Failure != nil {
		fmt.Fprintf(w, "\nNO COPY: %v\n", r.Failure)
	}
	list(w, "statements that fail, each run by itself", r.Failures)
	list(w, "said to be left out", r.LeftOut)
	var unexplained, accepted, baseline []string
	for _, d := range r.Differences {
		if d.Why == "" {
			unexplained = append(unexplained, d.String())
		} else {
			accepted = append(accepted, d.String())
		}
	}
	for _, d := range r.Baseline {
		baseline = append(baseline, d.String())
	}
	list(w, "differences", unexplained)
	list(w, "accepted differences", accepted)
	list(w, "differences of pg_dump's copy", baseline)
}

func list(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s: %d\n", title, len(items))
	for _, i := range items {
		fmt.Fprintf(w, "- %s\n", i)
	}
}
