package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// privilegeNames are the letters of aclitem; see PostgreSQL's documentation,
// "ACL Privilege Abbreviations".
const privilegeNames = "a=INSERT r=SELECT w=UPDATE d=DELETE D=TRUNCATE x=REFERENCES t=TRIGGER X=EXECUTE U=USAGE C=CREATE c=CONNECT T=TEMPORARY s=SET A=ALTER_SYSTEM m=MAINTAIN "

// aclItem is one parsed item: what a grantor gave to a grantee.
type aclItem struct {
	grantee    string // "" is PUBLIC
	grantor    string
	privileges []string
	grantable  []string
}

func parseACLItem(text string) (aclItem, error) {
	var item aclItem
	grantee, rest, ok := aclName(text)
	if !ok || !strings.HasPrefix(rest, "=") {
		return item, fmt.Errorf("access control item %q is not understood", text)
	}
	letters, grantor, ok := strings.Cut(rest[1:], "/")
	if !ok {
		return item, fmt.Errorf("access control item %q names no grantor", text)
	}
	item.grantee = grantee
	item.grantor, _, _ = aclName(grantor)
	for i := 0; i < len(letters); i++ {
		_, after, ok := strings.Cut(privilegeNames, letters[i:i+1]+"=")
		if !ok {
			return item, fmt.Errorf("access control item %q has an unknown privilege", text)
		}
		name, _, _ := strings.Cut(after, " ")
		name = strings.ReplaceAll(name, "_", " ")
		if i+1 < len(letters) && letters[i+1] == '*' {
			item.grantable = append(item.grantable, name)
			i++
		} else {
			item.privileges = append(item.privileges, name)
		}
	}
	return item, nil
}

// aclName takes a role name, quoted where putid() in PostgreSQL's acl.c quotes
// it, from the front of the text.
func aclName(text string) (name, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		if i := strings.IndexAny(text, "=/"); i >= 0 {
			return text[:i], text[i:], true
		}
		return text, "", true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), text[i+1:], true
	}
	return "", "", false
}

// grants gives the GRANT and REVOKE that turn a new object's initial privileges
// into the list. on is what follows ON; column, if set, is the column the privileges are
// of. What the owner gave comes first, then what others could give because of it.
func (a ACL) grants(on, column, owner string) ([]string, error) {
	if a.Items == nil {
		return nil, nil
	}
	var sql []string
	for _, text := range a.Initial {
		if slices.Contains(a.Items, text) {
			continue
		}
		item, err := parseACLItem(text)
		if err != nil {
			return nil, err
		}
		sql = append(sql, "REVOKE ALL ON "+on+" FROM "+roleSQL(item.grantee))
	}
	var todo []aclItem
	for _, text := range a.Items {
		if slices.Contains(a.Initial, text) {
			continue
		}
		item, err := parseACLItem(text)
		if err != nil {
			return nil, err
		}
		todo = append(todo, item)
	}
	may := map[string]bool{owner: true}
	for len(todo) > 0 {
		n := slices.IndexFunc(todo, func(i aclItem) bool { return may[i.grantor] })
		n = max(n, 0)
		item := todo[n]
		todo = slices.Delete(todo, n, n+1)
		if len(item.grantable) > 0 {
			may[item.grantee] = true
		}
		sql = append(sql, item.sql(on, column, owner)...)
	}
	return sql, nil
}

// grantedBy gives the items as if one role had granted them all.
func grantedBy(items []string, grantor string) []string {
	out := slices.Clone(items)
	for i, text := range out {
		if item, err := parseACLItem(text); err == nil && item.grantor != grantor {
			_, rest, _ := aclName(text)
			letters, _, _ := strings.Cut(rest, "/")
			out[i] = text[:len(text)-len(rest)] + letters + "/" + aclQuote(grantor)
		}
	}
	return out
}

// aclQuote writes a role name as putid() does.
func aclQuote(name string) string {
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}

func (i aclItem) sql(on, column, owner string) []string {
	var sql []string
	for n, privileges := range [][]string{i.privileges, i.grantable} {
		if len(privileges) == 0 {
			continue
		}
		list := slices.Clone(privileges)
		if column != "" {
			for p := range list {
				list[p] += "(" + QuoteIdent(column) + ")"
			}
		}
		grant := "GRANT " + strings.Join(list, ", ") + " ON " + on + " TO " + roleSQL(i.grantee)
		if n == 1 {
			grant += " WITH GRANT OPTION"
		}
		if i.grantor != owner {
			// Only the grantor's own session can record it as grantor.
			grant = fmt.Sprintf("DO %s", dollarQuote("BEGIN SET LOCAL ROLE "+QuoteIdent(i.grantor)+"; "+grant+"; RESET ROLE; END"))
		}
		sql = append(sql, grant)
	}
	return sql
}

func roleSQL(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return QuoteIdent(role)
}

// dollarQuote quotes a text with a tag that it does not contain.
func dollarQuote(s string) string {
	tag := "$_$"
	for strings.Contains(s, tag) {
		tag = tag[:len(tag)-1] + "_$"
	}
	return tag + s + tag
}
