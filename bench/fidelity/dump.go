package fidelity

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// dumped runs pg_dump or pg_dumpall and returns its script.
func dumped(ctx context.Context, program, db string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, append(args, "--no-password", "--dbname", db)...).Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w: %s", program, err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return withoutVersions(withoutKeys(string(out))), nil
}

// withoutKeys takes out the commands that keep a script from running psql's own: their keys are random.
func withoutKeys(script string) string {
	return regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`).ReplaceAllString(script, "")
}

// withoutVersions takes out the attribute versions that minor releases since November 2026 keep among a column's options
// (ATTRIBUTE_VERSION_ATTOPTION, src/include/catalog/pg_attribute.h): they are the server's own, different in every copy,
// and cannot be set. A pg_dump that does not know of them writes them.
func withoutVersions(script string) string {
	for _, version := range []string{`(?m)^ALTER [^\n]* SET \(pg_attver=\d+\);\n`, `pg_attver=\d+, |, pg_attver=\d+`} {
		script = regexp.MustCompile(version).ReplaceAllString(script, "")
	}
	return script
}

// entries splits pg_dump's script at the headers of its entries. What is before the first is the same for every database
// of a server, but for the encoding.
func entries(script string) Picture {
	p := Picture{}
	header := regexp.MustCompile(`(?m)^--\n-- Name: (.*); Type: ([A-Z ]+); Schema: (.*?); (Owner: .*)\n--\n`)
	found := header.FindAllStringSubmatchIndex(script, -1)
	group := func(m []int, n int) string { return script[m[2*n]:m[2*n+1]] }
	accessMethod := ""
	for i, m := range found {
		end := len(script)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		if i == 0 {
			_, accessMethod = trimSettings(script[:m[0]], accessMethod)
		}
		body, next := trimSettings(script[m[1]:end], accessMethod)
		kind, name := group(m, 2), group(m, 1)
		text := group(m, 4) + "\n" + body
		if (kind == "TABLE" || kind == "MATERIALIZED VIEW") && !strings.Contains(body, "\nPARTITION BY ") {
			text += "\n-- access method " + accessMethod
		}
		if kind == "POLICY" {
			text = sortedRoles(text)
		}
		if schema := group(m, 3); schema != "-" {
			name = schema + "." + name
		}
		p.add(Item{Entry, kind + " " + name}, text)
		accessMethod = next
	}
	return p
}

// sortedRoles puts a policy's roles in the order of their names: pg_dump writes them in that in which the server happens to
// hold its roles (getPolicies, src/bin/pg_dump/pg_dump.c).
func sortedRoles(policy string) string {
	m := regexp.MustCompile(`(?m)^CREATE POLICY .*? TO (.*?)(?: USING \(| WITH CHECK \(|;$)`).FindStringSubmatchIndex(policy)
	if m == nil {
		return policy
	}
	roles := strings.Split(policy[m[2]:m[3]], ", ")
	slices.Sort(roles)
	return policy[:m[2]] + strings.Join(roles, ", ") + policy[m[3]:]
}

// trimSettings takes off the settings at an entry's end, which are the next entry's: which of them are needed depends on the order
// of the entries. The tablespace is in the header as well; the access method is returned.
func trimSettings(body, accessMethod string) (string, string) {
	lines := strings.Split(strings.TrimSpace(body), "\n")
	for len(lines) > 0 {
		last := lines[len(lines)-1]
		if method, ok := strings.CutPrefix(last, "SET default_table_access_method = "); ok {
			accessMethod = strings.TrimSuffix(method, ";")
		} else if !strings.HasPrefix(last, "SET default_tablespace = ") && last != "" &&
			last != "-- PostgreSQL database dump complete" && last != "--" {
			break
		}
		lines = slices.Delete(lines, len(lines)-1, len(lines))
	}
	return strings.Join(lines, "\n"), accessMethod
}

// addGlobals adds the statements of pg_dumpall's script for what databases share.
func (p Picture) addGlobals(script string) {
	for _, line := range strings.Split(script, "\n") {
		if line != "" && !strings.HasPrefix(line, "--") {
			p.add(Item{Global, line}, line)
		}
	}
}
