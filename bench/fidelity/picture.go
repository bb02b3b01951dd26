package fidelity

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Kind is what an item of a Picture is.
type Kind string

// The kinds of items.
const (
	// Entry is an entry of pg_dump's script.
	Entry Kind = "entry"
	// NotNulls are the columns of a table that are NOT NULL. pg_dump does not tell those that a child is without.
	NotNulls Kind = "NOT NULLs of"
	// Rows are the rows of a table or materialized view: their columns by name, their number and a hash.
	Rows Kind = "rows of"
	// Sequence is the state of a sequence.
	Sequence Kind = "sequence"
	// LargeObject is a large object's owner, privileges, comment and content.
	LargeObject Kind = "large object"
	// Global is a line of pg_dumpall's script for roles and tablespaces.
	Global Kind = "of the server:"
	// DDL is a statement that pgrecall would write.
	DDL Kind = "statement"
)

// An Item is one thing in a database.
type Item struct {
	Kind Kind
	Name string
}

// String names the item for people.
func (i Item) String() string { return string(i.Kind) + " " + i.Name }

// A Picture is all that is compared of a database: texts that are equal if and only if the items are.
type Picture map[Item]string

// add adds an item. Things of one name, such as an entry's comments, are one item, whatever their order.
func (p Picture) add(i Item, text string) {
	if other, ok := p[i]; ok {
		text = max(other, text) + "\n" + min(other, text)
	}
	p[i] = text
}

// count is the number of items of a kind.
func (p Picture) count(kinds ...Kind) int {
	n := 0
	for i := range p {
		if slices.Contains(kinds, i.Kind) {
			n++
		}
	}
	return n
}

// A Difference is one item that is not the same in a copy. Missing there, Got is empty; missing in the source, Want is.
type Difference struct {
	Item      Item
	Want, Got string
	// Why is the reason for which it is accepted, empty if it is a failure.
	Why string
}

// differences compares two pictures and returns what differs, in order.
func differences(want, got Picture) []Difference {
	var d []Difference
	for i, text := range want {
		if got[i] != text {
			d = append(d, Difference{Item: i, Want: text, Got: got[i]})
		}
	}
	for i, text := range got {
		if _, there := want[i]; !there {
			d = append(d, Difference{Item: i, Got: text})
		}
	}
	// Where a statement differs, all of them do: that says nothing more.
	if other := func(d Difference) bool { return d.Item.Kind == DDL && d.Item != wholeDDL() }; slices.ContainsFunc(d, other) {
		d = slices.DeleteFunc(d, func(d Difference) bool { return d.Item == wholeDDL() })
	}
	slices.SortFunc(d, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Item.Kind, b.Item.Kind), cmp.Compare(a.Item.Name, b.Item.Name))
	})
	return d
}

// String is the difference for people: that one side does not have the item, or the lines that only one side has.
func (d Difference) String() string {
	text := d.Item.String()
	if d.Why != "" {
		text += " (accepted: " + d.Why + ")"
	}
	switch {
	case d.Got == "":
		return text + " is missing"
	case d.Want == "":
		return text + " is not in the source"
	}
	want, got := lines(d.Want), lines(d.Got)
	if maps.Equal(want, got) {
		text += ": the same lines in another order"
	}
	for _, line := range strings.Split(d.Want, "\n") {
		if want[line] != got[line] || maps.Equal(want, got) {
			text += "\n    - " + line
		}
	}
	for _, line := range strings.Split(d.Got, "\n") {
		if want[line] != got[line] || maps.Equal(want, got) {
			text += "\n    + " + line
		}
	}
	return text
}

func lines(text string) map[string]int {
	counts := map[string]int{}
	for _, line := range strings.Split(text, "\n") {
		counts[line]++
	}
	return counts
}
