package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func role(name string, change ...func(*catalog.Role)) catalog.Role {
	r := catalog.Role{Object: catalog.Object{Name: name}, Inherit: true, ConnLimit: -1}
	for _, c := range change {
		c(&r)
	}
	return r
}

func super(r *catalog.Role) { r.Super, r.Login = true, true }

// server of a version with roles, the first of which is its first superuser.
func globalsOf(version int, names ...string) *catalog.Globals {
	g := &catalog.Globals{ServerVersion: version * 10000, Bootstrap: names[0]}
	for i, name := range names {
		if i == 0 {
			g.Roles = append(g.Roles, role(name, super))
		} else {
			g.Roles = append(g.Roles, role(name))
		}
	}
	return g
}

// kinds gives the statements of one kind.
func kinds(p *catalog.GlobalsPlan, kind string) string {
	var sql []string
	for _, s := range p.Statements {
		if s.Kind == kind {
			sql = append(sql, s.SQL)
		}
	}
	return strings.Join(sql, "\n")
}

func plan(t *testing.T, source, target *catalog.Globals, o catalog.GlobalsOptions) *catalog.GlobalsPlan {
	t.Helper()
	if o.As == "" {
		o.As = target.Bootstrap
	}
	p, err := source.Plan(target, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMembershipsAreGrantedWhenTheirGrantorsCan(t *testing.T) {
	members := []catalog.Membership{
		{Role: "a", Member: "d", Grantor: "c", Inherit: true, Set: true},
		{Role: "a", Member: "c", Grantor: "b", Admin: true, Inherit: true, Set: true},
		{Role: "a", Member: "b", Grantor: "postgres", Admin: true, Set: true},
		{Role: "pg_monitor", Member: "d", Grantor: "postgres", Inherit: true},
	}
	for _, test := range []struct {
		name           string
		source, target int
		bootstrap      string
		want           string
	}{
		{"to the same version before 16, in any order", 15, 15, "postgres", "GRANT a TO d GRANTED BY c\nGRANT a TO c WITH ADMIN OPTION GRANTED BY b\n" +
			"GRANT a TO b WITH ADMIN OPTION GRANTED BY postgres\nGRANT pg_monitor TO d GRANTED BY postgres"},
		{"from before 16 to later, by whoever restores", 15, 17, "postgres", "GRANT a TO d\nGRANT a TO c WITH ADMIN OPTION\nGRANT a TO b WITH ADMIN OPTION\nGRANT pg_monitor TO d"},
		{"since 16 grantors first", 16, 18, "postgres", "GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY postgres\n" +
			"GRANT pg_monitor TO d WITH INHERIT TRUE, SET FALSE GRANTED BY postgres\n" +
			"GRANT a TO c WITH ADMIN OPTION, INHERIT TRUE, SET TRUE GRANTED BY b\nGRANT a TO d WITH INHERIT TRUE, SET TRUE GRANTED BY c"},
		{"the first superuser by its name on the target", 16, 16, "root", "GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY root\n" +
			"GRANT pg_monitor TO d WITH INHERIT TRUE, SET FALSE GRANTED BY root\n" +
			"GRANT a TO c WITH ADMIN OPTION, INHERIT TRUE, SET TRUE GRANTED BY b\nGRANT a TO d WITH INHERIT TRUE, SET TRUE GRANTED BY c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := globalsOf(test.source, "postgres", "a", "b", "c", "d")
			source.Memberships = members
			p := plan(t, source, globalsOf(test.target, test.bootstrap), catalog.GlobalsOptions{})
			if got := kinds(p, "MEMBERSHIP"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestAGrantorThatCanNotGrantOnTheTargetIsReplacedAndTold(t *testing.T) {
	source, target := globalsOf(16, "postgres", "a", "b", "new"), globalsOf(16, "postgres", "a", "b")
	source.Memberships = []catalog.Membership{
		{Role: "a", Member: "b", Grantor: "postgres", Admin: true, Inherit: true, Set: true}, // both exist: not granted
		{Role: "a", Member: "new", Grantor: "b", Inherit: true, Set: true},
	}
	p := plan(t, source, target, catalog.GlobalsOptions{})
	if got := kinds(p, "MEMBERSHIP"); got != "GRANT a TO new WITH INHERIT TRUE, SET TRUE" {
		t.Errorf("granted: %s", got)
	}
	if len(p.LeftOut) != 1 || !slices.Equal(p.Differs, []string{"role b: not a member of a as on the source"}) {
		t.Errorf("left out %v, differs %v", p.LeftOut, p.Differs)
	}
	if got := kinds(plan(t, source, target, catalog.GlobalsOptions{Overwrite: true}), "MEMBERSHIP"); !strings.HasSuffix(got, "GRANTED BY b") {
		t.Errorf("granted: %s", got)
	}
}

func TestNobodyIsLockedOutOfTheTarget(t *testing.T) {
	source, target := globalsOf(15, "root", "postgres", "me"), globalsOf(15, "postgres", "me")
	target.Roles[1] = role("me", super)
	p := plan(t, source, target, catalog.GlobalsOptions{As: "me", Overwrite: true})
	for _, s := range p.Statements {
		if strings.HasPrefix(s.SQL, "ALTER ROLE") && (strings.Contains(s.SQL, "NOSUPERUSER") || strings.Contains(s.SQL, "NOLOGIN")) {
			t.Errorf("would run %s", s.SQL)
		}
	}
	if len(p.Differs) != 2 {
		t.Errorf("told: %q", p.Differs)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	source := globalsOf(15, "postgres", "a")
	source.Roles[1].Password = "SCRAM-SHA-256$4096:verifier"
	source.Roles[1].Settings = []catalog.Setting{{Name: "app.token", Value: "confidential"}, {Name: "work_mem", Value: "5MB"}}
	p := plan(t, source, globalsOf(15, "postgres"), catalog.GlobalsOptions{})
	all, shown := "", ""
	for _, s := range p.Statements {
		all, shown = all+s.SQL+"\n", shown+s.Shown()+"\n"
	}
	for _, secret := range []string{"SCRAM-SHA-256$4096:verifier", "confidential"} {
		if !strings.Contains(all, secret) || strings.Contains(shown, secret) {
			t.Errorf("%s: run\n%s\nshown\n%s", secret, all, shown)
		}
	}
	if !strings.Contains(shown, "work_mem TO '5MB'") || !strings.Contains(shown, "password of role a") {
		t.Errorf("shown\n%s", shown)
	}
	if p := plan(t, source, globalsOf(15, "postgres"), catalog.GlobalsOptions{NoRolePasswords: true}); kinds(p, "PASSWORD") != "" {
		t.Error("a password is set")
	}
	source.ForgetPasswords()
	if source.Roles[1].Password != "" {
		t.Error("the password is not forgotten")
	}
}

func TestSettingsAreWrittenAsTheServerStoresThem(t *testing.T) {
	source := globalsOf(15, "postgres", "a")
	for value, want := range map[string]string{
		`"$user", public`: `'$user', 'public'`, `a,  "B ""c", "d,e"`: `'a', 'B "c', 'd,e'`, ``: `''`, `""`: `''`, `"it's\"`: `E'it''s\\'`,
	} {
		source.Roles[1].Settings = []catalog.Setting{{Name: "search_path", Value: value}}
		got := kinds(plan(t, source, globalsOf(15, "postgres"), catalog.GlobalsOptions{}), "SETTING")
		if want = "ALTER ROLE a SET search_path TO " + want; got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	source.Roles[1].Settings = []catalog.Setting{{Name: "DateStyle", Value: "German, DMY"}, {Name: "gone", Value: "1"}, {Name: "my.own", Value: "a,b"}, {Name: "log_statement", Value: "all"}}
	known := catalog.Parameters{"datestyle": "user", "log_statement": "superuser"}
	p := plan(t, source, globalsOf(15, "postgres"), catalog.GlobalsOptions{Parameters: known})
	if got := kinds(p, "SETTING"); got != "ALTER ROLE a SET \"DateStyle\" TO 'German, DMY'\nALTER ROLE a SET \"my.own\" TO 'a,b'\nALTER ROLE a SET log_statement TO 'all'" {
		t.Errorf("settings\n%s", got)
	}
	if len(p.LeftOut) != 1 || !strings.Contains(p.LeftOut[0].What, "setting gone of role a") {
		t.Errorf("left out %v", p.LeftOut)
	}
	target := globalsOf(15, "postgres", "me")
	target.Roles[1].CreateRole = true
	p = plan(t, source, target, catalog.GlobalsOptions{Parameters: known, As: "me"})
	if got := kinds(p, "SETTING"); got != "ALTER ROLE a SET \"DateStyle\" TO 'German, DMY'" || len(p.LeftOut) != 3 {
		t.Errorf("somebody who is no superuser sets\n%s\nand leaves out %v", got, p.LeftOut)
	}
}

func TestWhatARoleMayNotReadOfTheGlobalsIsListedAndNoError(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE ROLE globals_limited LOGIN; CREATE ROLE globals_secret LOGIN PASSWORD 'x' CREATEDB`)
	uri := strings.Replace(server.ConnString(conn.Config().Database), "postgres@", "globals_limited@", 1)
	c := read(t, connect(t, uri, "UTF8"))
	i := slices.IndexFunc(c.Globals.Roles, func(r catalog.Role) bool { return r.Name == "globals_secret" })
	if i < 0 || c.Globals.Roles[i].Password != "" || !c.Globals.Roles[i].CreateDB {
		t.Errorf("read %+v", c.Globals.Roles)
	}
	if len(c.Globals.Unread) != 1 || !strings.Contains(c.Globals.Unread[0], "passwords") {
		t.Errorf("unread: %q", c.Globals.Unread)
	}
	run(t, conn, `REVOKE SELECT ON pg_catalog.pg_auth_members FROM PUBLIC`)
	c = read(t, connect(t, uri, "UTF8"))
	if len(c.Globals.Roles) > 0 || len(c.Globals.Unread) != 1 || !strings.Contains(c.Globals.Unread[0], "pg_auth_members") {
		t.Errorf("without the right to read memberships: %+v", c.Globals)
	}
	// What another database wrote in another encoding is no text here.
	run(t, conn, `GRANT SELECT ON pg_catalog.pg_auth_members TO PUBLIC`)
	latin := connect(t, mustDatabase(t, "latin", "ENCODING 'LATIN1'"), "UTF8")
	run(t, latin, `COMMENT ON ROLE globals_limited IS 'größe'`)
	c = read(t, conn)
	if slices.ContainsFunc(c.Globals.Roles, func(r catalog.Role) bool { return r.Name == "globals_limited" }) || len(c.Globals.Unread) != 1 || !strings.Contains(c.Globals.Unread[0], "not UTF-8") {
		t.Errorf("with bytes of LATIN1: unread %q", c.Globals.Unread)
	}
	run(t, latin, `COMMENT ON ROLE globals_limited IS NULL`)
}

func mustDatabase(t *testing.T, name string, options ...string) string {
	t.Helper()
	uri, err := server.NewDatabase(t.Context(), databaseName(t, name), options...)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

func TestAScriptNeedsEveryRoleThatItsStatementsName(t *testing.T) {
	c := read(t, newRich(t, "source"))
	for _, o := range []catalog.DDLOptions{{}, {NoOwner: true}, {NoPrivileges: true}, {NoOwner: true, NoPrivileges: true}, {IntoSchema: "beside"}} {
		s := ddl(t, c, o)
		needed := map[string]bool{}
		for _, n := range s.Needs {
			if n.Kind == catalog.NeedOwner || n.Kind == catalog.NeedGrantee || n.Kind == catalog.NeedRole {
				needed[n.Name] = true
			}
		}
		for _, name := range []string{"cat_owner", "cat_reader", "cat_other"} {
			at := slices.IndexFunc(s.Statements, func(s catalog.Statement) bool {
				return s.Kind != "COMMENT" && s.Kind != "FUNCTION" && strings.Contains(s.SQL, name)
			})
			if named := at >= 0; named != needed[name] {
				t.Errorf("%+v: %s is named: %v, needed: %v", o, name, named, needed[name])
				if named {
					t.Log(s.Statements[at].SQL)
				}
			}
		}
	}
}

func TestSecurityLabelsOfWhatDatabasesShareAreKept(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE ROLE labelled; SET allow_system_table_mods = on;
		INSERT INTO pg_shseclabel (objoid, classoid, provider, label) SELECT oid, 'pg_authid'::regclass, 'dummy', 'it''s a role' FROM pg_authid WHERE rolname = 'labelled';
		INSERT INTO pg_shseclabel (objoid, classoid, provider, label) SELECT oid, 'pg_database'::regclass, 'dummy', 'a database' FROM pg_database WHERE datname = current_database()`)
	defer run(t, conn, `DELETE FROM pg_shseclabel; DROP ROLE labelled`)
	c := read(t, conn)
	p := plan(t, c.Globals, globalsOf(server.Version(), c.Globals.Bootstrap), catalog.GlobalsOptions{})
	if got := kinds(p, "SECURITY LABEL"); got != "SECURITY LABEL FOR dummy ON ROLE labelled IS 'it''s a role'" {
		t.Errorf("role: %s", got)
	}
	if got := kinds(plan(t, c.Globals, globalsOf(server.Version(), c.Globals.Bootstrap), catalog.GlobalsOptions{NoSecurityLabels: true}), "SECURITY LABEL"); got != "" {
		t.Errorf("without labels: %s", got)
	}
	s, err := c.Database.Script(catalog.DatabaseOptions{Name: "new", ServerVersion: c.ServerVersion})
	if err != nil || len(s.Open) != 1 || s.Open[0].SQL != "SECURITY LABEL FOR dummy ON DATABASE new IS 'a database'" {
		t.Errorf("database: %+v, %v", s.Open, err)
	}
}
