package catalog

import (
	"regexp"
	"strings"
)

var passwordInURI = regexp.MustCompile(`^postgres(ql)?://[^/@]*:[^/@]+@`)

// superuserTrial is a statement that the server refuses, with insufficient_privilege, to who may not make such an object. PostgreSQL
// keeps these kinds for superusers ("must be superuser to create …" in src/backend/commands); providers let others make some of them,
// so that only trying tells. It leaves nothing behind when it is rolled back; empty: whoever may create in the schema may make the
// object. An extension has none: whether superusers alone may create it is said by the target's pg_available_extension_versions.
func superuserTrial(o object) string {
	switch o := o.(type) {
	case *EventTrigger:
		return "CREATE FUNCTION pg_temp.pgrecall_trial() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; " +
			"CREATE EVENT TRIGGER pgrecall_trial ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION pg_temp.pgrecall_trial()"
	case *Publication:
		if o.AllTables || len(o.Schemas) > 0 {
			return "CREATE PUBLICATION pgrecall_trial FOR ALL TABLES"
		}
	case *Subscription:
		// Whoever is no superuser needs a password in it (walrcv_check_conninfo() in src/backend/replication/libpqwalreceiver).
		connection, with := "dbname=x", "connect = false, slot_name = NONE"
		if strings.Contains(o.Connection, "password") || passwordInURI.MatchString(o.Connection) {
			connection += " password=x"
		}
		if o.NoPassword {
			with += ", password_required = false"
		}
		return "CREATE SUBSCRIPTION pgrecall_trial CONNECTION '" + connection + "' PUBLICATION x WITH (" + with + ")"
	case *ForeignDataWrapper:
		return "CREATE FOREIGN DATA WRAPPER pgrecall_trial"
	case *ForeignServer:
		return "CREATE SERVER pgrecall_trial FOREIGN DATA WRAPPER " + QuoteIdent(o.Wrapper)
	case *Function:
		return o.superuserTrial()
	case *Type:
		if o.Kind == TypeBase {
			return "CREATE TYPE pg_temp.pgrecall_trial (INPUT = boolin, OUTPUT = boolout)"
		}
	case *Language:
		return "CREATE LANGUAGE pgrecall_trial HANDLER plpgsql_call_handler"
	case *AccessMethod:
		return "CREATE ACCESS METHOD pgrecall_trial TYPE INDEX HANDLER bthandler"
	case *OperatorFamily, *OperatorClass:
		return "CREATE OPERATOR FAMILY pg_temp.pgrecall_trial USING btree"
	case *TextSearchParser, *TextSearchTemplate:
		return "CREATE TEXT SEARCH TEMPLATE pg_temp.pgrecall_trial (LEXIZE = dsimple_lexize)"
	case *Cast:
		if o.Method == "b" {
			return "CREATE TYPE pg_temp.pgrecall_trial; CREATE CAST (pg_temp.pgrecall_trial AS pg_catalog.int4) WITHOUT FUNCTION"
		}
	}
	return ""
}

// superuserTrial is of functions in a language that is not trusted, and of those with a promise that only superusers may give.
func (f *Function) superuserTrial() string {
	// As pg_get_functiondef() writes it, what holds for the function as a whole is in the line after its language.
	_, rest, _ := strings.Cut(f.Definition, "\n LANGUAGE ")
	language, rest, _ := strings.Cut(rest, "\n")
	promises, _, _ := strings.Cut(rest, "\n")
	promise := ""
	if strings.HasPrefix(promises, " ") && strings.Contains(promises+" ", " LEAKPROOF ") {
		promise = " LEAKPROOF"
	}
	if promise == "" && (language == "" || language == "sql" || language == "plpgsql") {
		return ""
	}
	return "CREATE FUNCTION pg_temp.pgrecall_trial() RETURNS void LANGUAGE " + language + promise + " AS ''"
}
