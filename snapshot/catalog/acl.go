package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// privilegeNames are the letters of aclitem; see PostgreSQL's documentation,
// "ACL Privilege Abbreviations".
const privilegeNames = "a=INSERT r=SELECT w=UPDATE d=DELETE D=TRUNCATE x=REFERENCES t=TRIGGER X=EXECUTE U=USAGE C=CREATE c=CONNECT " +
	"T=TEMPORARY s=SET A=ALTER_SYSTEM m=MAINTAIN "

// aclItem is one parsed item: what a grantor gave to a grantee.
type aclItem struct {
	grantee    string // "" is PUBLIC
	grantor    string
	privileges []string
	grantable  []string // those given WITH GRANT OPTION
}

// held are all privileges of the item.
func (i aclItem) held() []string { return slices.Concat(i.privileges, i.grantable) }

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

// aclQuote writes a role name as putid() does.
func aclQuote(name string) string {
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}

// aclItems is a parsed list: at most one item for each pair of grantee and grantor.
type aclItems []aclItem

func parseACL(texts []string) (aclItems, error) {
	var items aclItems
	for _, text := range texts {
		item, err := parseACLItem(text)
		if err != nil {
			return nil, err
		}
		if known := items.of(item.grantee, item.grantor); known != nil {
			known.grantable = append(known.grantable, without(item.grantable, known.grantable)...)
			known.privileges = without(append(known.privileges, without(item.privileges, known.privileges)...), known.grantable)
			continue
		}
		items = append(items, item)
	}
	return items, nil
}

// of is the item of a grantee and grantor, or nil.
func (a aclItems) of(grantee, grantor string) *aclItem {
	for i := range a {
		if a[i].grantee == grantee && a[i].grantor == grantor {
			return &a[i]
		}
	}
	return nil
}

// without gives the elements of the first list that the second lacks.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// common gives the elements of the first list that the second has too.
func common(list, other []string) []string { return without(list, without(list, other)) }

// roles are the grantees and grantors of all that grants gives, sorted; grantors are the latter alone.
func (a ACL) roles() []string {
	return a.named(func(i aclItem) []string { return []string{i.grantee, i.grantor} })
}

func (a ACL) grantors() []string {
	return a.named(func(i aclItem) []string { return []string{i.grantor} })
}

func (a ACL) named(by func(aclItem) []string) []string {
	var names []string
	for _, text := range a.Items {
		if item, err := parseACLItem(text); err == nil && !slices.Contains(a.Initial, text) {
			names = append(names, without(by(item), []string{""})...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
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
