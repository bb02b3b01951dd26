package fidelity

import (
	"fmt"
	"math"
	"regexp"
	"slices"
)

// explained are the differences that are accepted whatever other tools do, with the reason.
func explained() map[Item]string {
	return map[Item]string{
		{Rows, "app.keyed"}: "this materialized view is stale in the source; a restore refreshes it, as pg_dump's does",
	}
}

// accept says of each difference why it is no failure: it is explained, or the baseline has the very same. A copy made by
// other means that differs in another way is no excuse.
func accept(d []Difference, baseline []Difference) {
	same := map[Item]string{}
	for _, b := range baseline {
		same[b.Item] = b.Got
	}
	for i := range d {
		if got, differs := same[d[i].Item]; differs && got == d[i].Got && d[i].Got != "" {
			d[i].Why = "pg_dump's copy is the same"
		}
		if why, ok := explained()[d[i].Item]; ok {
			d[i].Why = why
		}
	}
}

// acceptNewer says of differences in a copy on a server of a newer major version which of them are that server's way.
func acceptNewer(d []Difference, from, to int) {
	for i := range d {
		schema := d[i].Item.Kind == Entry || d[i].Item.Kind == DDL
		if from < 16 && to >= 16 && d[i].Item == (Item{DDL, "COLUMN public.gtest_normal.b"}) {
			d[i].Why = "CREATE TABLE takes a generation expression of the child's own there, and the parent need not get the column later"
		}
		if from < 17 && to >= 17 && d[i].Got == "" && multirangesOwner().MatchString(d[i].Want) {
			d[i].Why = "a multirange type has its range's owner there"
		}
		if from < 18 && to >= 18 && schema && withoutNotNulls(d[i].Want) == withoutNotNulls(d[i].Got) {
			d[i].Why = "a NOT NULL is a constraint with a name there, which children inherit" // which columns have one is compared by itself
		}
	}
}

// acceptFollowed says which differences of what was restored from the log alone are its limits. left is what the restore said that it
// leaves out.
func acceptFollowed(d []Difference, left []string) {
	for i := range d {
		switch d[i].Item.Kind {
		case LargeObject:
			if d[i].Got == "" {
				d[i].Why = "large objects are as of the snapshot, which was of an empty database"
			}
		case Sequence:
			if lastValue(d[i].Got) >= lastValue(d[i].Want) {
				d[i].Why = "sequences are sampled, and come back at or beyond what was given"
			}
		case Rows:
			if slices.Contains(left, "changes of table "+d[i].Item.Name+" after the snapshot: unlogged tables are not in the log") {
				d[i].Why = "unlogged tables are as of the snapshot, and the restore says so"
			}
		}
	}
}

// lastValue is that of a sequence's state; one below all if there is none.
func lastValue(state string) int64 {
	var n int64
	if _, err := fmt.Sscanf(state, "last value %d", &n); err != nil {
		return math.MinInt64
	}
	return n
}

// multirangesOwner is the statement for multirange types that have not their range's owner, or privileges of their own.
func multirangesOwner() *regexp.Regexp {
	return regexp.MustCompile(`^post-data: DO \$_+\$BEGIN IF pg_catalog\.current_setting\('server_version_num'\)::integer < 170000 THEN EXECUTE 'ALTER TYPE [^;]* OWNER TO [^;]*'; END IF; END\$_+\$$`)
}

// withoutNotNulls takes out of statements what makes NOT NULLs, and the space and commas between the rest.
func withoutNotNulls(text string) string {
	const name = `("[^"]*"|[\w$]+)`
	for _, part := range []string{`(?m)^[\w-]+: (ALTER|DO) .* (SET|DROP) NOT NULL('; END IF; END\$_+\$)?$`,
		`(?m)^[\w-]+: ALTER .* ADD CONSTRAINT ` + name + ` NOT NULL .*$`,
		`(?m)^\s*(CONSTRAINT ` + name + ` )?NOT NULL ` + name + `,?$`, `( CONSTRAINT ` + name + `)? NOT NULL\b`, `[\s,]+`} {
		text = regexp.MustCompile(part).ReplaceAllString(text, "")
	}
	return text
}
