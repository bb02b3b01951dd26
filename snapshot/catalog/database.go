package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// DatabaseOptions say how a database is made on a target.
type DatabaseOptions struct {
	// Name is its name there and ServerVersion the server's.
	Name          string
	ServerVersion int
	// Super says that a superuser restores, and Parameters what can be set on the server.
	Super      bool
	Parameters Parameters
	// Closed are roles whose settings the restoring role may not alter.
	Closed map[string]bool

	NoOwner          bool
	NoPrivileges     bool
	NoTablespaces    bool
	NoSecurityLabels bool
}

// DatabaseScript makes a database as it is on the source.
type DatabaseScript struct {
	// Create is CREATE DATABASE. It runs alone, in a session with another database.
	Create Statement
	// Open follow it before anything is made in the database, so that what is restored there is restored under its settings.
	Open []Statement
	// Close are run when all else is done: they would hinder those who restore.
	Close   []Statement
	LeftOut []LeftOut
	Needs   []Need
}

// Script makes the statements. That connections are allowed is not among them: no snapshot is of a database without. Nor is the
// collation's version: it is the new server's that sorts the new indexes.
func (d *Database) Script(o DatabaseOptions) (DatabaseScript, error) {
	s := DatabaseScript{Create: Statement{Kind: "DATABASE", Name: o.Name, SQL: d.createSQL(o)}}
	need := func(kind NeedKind, name string) {
		if name != "" {
			s.Needs = append(s.Needs, Need{Kind: kind, Name: name, For: "the database", Statement: -1})
		}
	}
	database := "DATABASE " + QuoteIdent(o.Name)
	if d.Comment != "" {
		s.Open = append(s.Open, Statement{Kind: "COMMENT", Name: o.Name,
			SQL: "COMMENT ON " + database + " IS " + strings.TrimSpace(quoteLiteral(d.Comment))})
	}
	if !o.NoSecurityLabels {
		s.Open = append(s.Open, labels(d.SecurityLabels, "DATABASE", o.Name)...)
	}
	for _, set := range d.Settings {
		on, name := database, "the database"
		if set.Role != "" {
			on, name = "ROLE "+QuoteIdent(set.Role)+" IN "+database, "role "+set.Role+" in the database"
		}
		if ok, why := o.Parameters.settable(set.Name, o.Super); !ok {
			s.LeftOut = append(s.LeftOut, LeftOut{"setting " + set.Name + " of " + name, why})
			continue
		}
		if o.Closed[set.Role] {
			s.LeftOut = append(s.LeftOut, LeftOut{"setting " + set.Name + " of " + name, "the restoring role may not alter that role"})
			continue
		}
		need(NeedRole, set.Role)
		if strings.EqualFold(set.Name, "role") { // those who restore would become that role
			s.Close = append(s.Close, setting(on, name, set))
		} else {
			s.Open = append(s.Open, setting(on, name, set))
		}
	}
	if !o.NoOwner {
		need(NeedOwner, d.Owner)
	}
	if !o.NoTablespaces {
		need(NeedTablespace, d.Tablespace)
	}
	if !o.NoPrivileges {
		grants, err := d.ACL.grants(privileged{kind: "DATABASE", name: QuoteIdent(o.Name), owner: d.Owner})
		if err != nil {
			return s, fmt.Errorf("grants on the database: %w", err)
		}
		for _, sql := range grants {
			s.Open = append(s.Open, Statement{Kind: "ACL", Name: o.Name, SQL: sql})
		}
		for _, role := range d.ACL.roles() {
			if role != d.Owner {
				need(NeedGrantee, role)
			}
		}
		for _, role := range d.ACL.grantors() {
			if role != d.Owner {
				need(NeedGrantor, role)
			}
		}
	}
	if d.ConnLimit != -1 {
		s.Close = append(s.Close,
			Statement{Kind: "DATABASE", Name: o.Name, SQL: "ALTER " + database + " CONNECTION LIMIT " + strconv.Itoa(int(d.ConnLimit))})
	}
	if d.Template {
		s.Close = append(s.Close, Statement{Kind: "DATABASE", Name: o.Name, SQL: "ALTER " + database + " IS_TEMPLATE true"})
	}
	return s, nil
}

// createSQL takes encoding and locale from the source, and template0 so that nothing else is in it.
func (d *Database) createSQL(o DatabaseOptions) string {
	literal := func(text string) string { return strings.TrimSpace(quoteLiteral(text)) }
	sql := "CREATE DATABASE " + QuoteIdent(o.Name) + " TEMPLATE template0 ENCODING " + literal(d.Encoding) +
		" LC_COLLATE " + literal(d.Collate) + " LC_CTYPE " + literal(d.Ctype)
	switch {
	case d.LocaleProvider == "i":
		sql += " LOCALE_PROVIDER icu ICU_LOCALE " + literal(d.Locale)
		if d.ICURules != "" {
			sql += " ICU_RULES " + literal(d.ICURules)
		}
	case d.LocaleProvider == "b":
		sql += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + literal(d.Locale)
	case o.ServerVersion >= 150000:
		// template0 may have another.
		sql += " LOCALE_PROVIDER libc"
	}
	if !o.NoOwner && d.Owner != "" {
		sql += " OWNER " + QuoteIdent(d.Owner)
	}
	if !o.NoTablespaces && d.Tablespace != "" {
		sql += " TABLESPACE " + QuoteIdent(d.Tablespace)
	}
	return sql
}

// Properties lists in a few words what the database has that a database which exists does not get.
func (d *Database) Properties() []string {
	var has []string
	if d.Comment != "" {
		has = append(has, "comment")
	}
	if len(d.SecurityLabels) > 0 {
		has = append(has, "security labels")
	}
	if !d.ACL.IsZero() {
		has = append(has, "grants")
	}
	if d.ConnLimit != -1 {
		has = append(has, "connection limit")
	}
	if d.Template {
		has = append(has, "being a template")
	}
	for _, s := range d.Settings {
		what := "setting " + s.Name
		if s.Role != "" {
			what += " of role " + s.Role
		}
		has = append(has, what)
	}
	return has
}

// LocaleName tells a database's locale in words. Equal names are equal locales, however the names of libc's encodings are written.
func (d *Database) LocaleName() string {
	libc := func(name string) string {
		language, encoding, _ := strings.Cut(name, ".")
		if encoding != "" {
			language += "." + strings.ReplaceAll(strings.ToLower(encoding), "-", "")
		}
		return strings.Replace(language, "POSIX", "C", 1)
	}
	switch d.LocaleProvider {
	case "i":
		return "ICU " + d.Locale
	case "b":
		return "builtin " + d.Locale
	case "c":
		if libc(d.Collate) == libc(d.Ctype) {
			return libc(d.Collate)
		}
	}
	return libc(d.Collate) + " with LC_CTYPE " + libc(d.Ctype)
}
