package catalog

import "strings"

// Globals are what all databases of a server share and a database refers to by name: roles, tablespaces and what is
// granted and set for them. A catalog has those of its own instant, read in the same snapshot as its owners and grants,
// so that what it names is there, and whoever restores one database needs no second backup to go with it.
type Globals struct {
	ServerVersion int // server_version_num
	// Bootstrap is the role with oid 10, the superuser that initdb made: the grantor whom no grant is needed for.
	Bootstrap   string
	Roles       []Role       // those that begin with pg_ are the server's own, and not among them
	Memberships []Membership // none between two roles of the server's own
	Tablespaces []Tablespace // without pg_default and pg_global
	Settings    []Setting    `json:",omitzero"` // ALTER ROLE ALL SET
	Parameters  []Parameter  `json:",omitzero"`
	// Unread says what the role that read may not see, or what is no text. Callers must show it.
	Unread []string `json:",omitzero"`
}

// Role is a role with its attributes.
type Role struct {
	Object
	Super       bool  `json:",omitzero"`
	Inherit     bool  `json:",omitzero"`
	CreateRole  bool  `json:",omitzero"`
	CreateDB    bool  `json:",omitzero"`
	Login       bool  `json:",omitzero"`
	Replication bool  `json:",omitzero"`
	BypassRLS   bool  `json:",omitzero"`
	ConnLimit   int32 // -1: none
	// Password is the verifier as pg_authid has it, a secret; empty: none, or not read (Globals.Unread).
	Password   string    `json:",omitzero"`
	ValidUntil string    `json:",omitzero"` // a timestamptz as text in UTC; empty: never set
	Settings   []Setting `json:",omitzero"` // of all databases
}

// Membership is one grant of a role to a member.
type Membership struct {
	Role, Member string
	// Grantor is empty where it does not exist any more, as servers before 16 allow.
	Grantor string `json:",omitzero"`
	Admin   bool   `json:",omitzero"`
	// Inherit and Set are options of a grant since 16; before, Inherit is the member's attribute and Set is true.
	Inherit bool `json:",omitzero"`
	Set     bool `json:",omitzero"`
}

// Tablespace is a tablespace.
type Tablespace struct {
	Object
	Location string   // an absolute path of the server's machine; empty: within the data directory
	Options  []string `json:",omitzero"` // name=value
}

// Parameter is a configuration parameter that something is granted on (15 and later).
type Parameter struct {
	Name string
	ACL  `json:"ACL,omitzero"`
}

// ForgetPasswords takes the passwords of roles away.
func (g *Globals) ForgetPasswords() {
	for i := range g.Roles {
		g.Roles[i].Password = ""
	}
	unread := g.Unread[:0]
	for _, what := range g.Unread {
		if what != unreadPasswords {
			unread = append(unread, what)
		}
	}
	g.Unread = unread
}

func (g *Globals) tablespace(name string) *Tablespace {
	for i := range g.Tablespaces {
		if g.Tablespaces[i].Name == name {
			return &g.Tablespaces[i]
		}
	}
	return nil
}

// systemRole says that a role is one of the server's own, which exist on every server of its version and later ones.
func systemRole(name string) bool { return strings.HasPrefix(name, "pg_") }

// labels are the statements that set the security labels of a role, a tablespace or a database.
func labels(of []SecurityLabel, kind, name string) []Statement {
	var statements []Statement
	for _, l := range of {
		statements = append(statements, Statement{Kind: "SECURITY LABEL", Name: name,
			SQL: "SECURITY LABEL FOR " + QuoteIdent(l.Provider) + " ON " + kind + " " + QuoteIdent(name) + " IS " +
				strings.TrimSpace(quoteLiteral(l.Label))})
	}
	return statements
}
