package format

// SessionSettings returns the settings every session with a source pins, as
// startup parameters, the replication session included: with them the server
// writes one value as the same text in COPY and in logical replication, whatever
// the database, the role or the server's configuration say. The caller owns the
// map. All of them exist from PostgreSQL 14 on; transaction_timeout, new in 17,
// is the caller's to add where the server knows it. Not among them is
// client_encoding: it is the database's own where rows flow, so that no byte is
// converted.
func SessionSettings() map[string]string {
	return map[string]string{
		// How values are written.
		"datestyle":          "ISO",
		"intervalstyle":      "postgres",
		"extra_float_digits": "3",
		"timezone":           "UTC",
		"bytea_output":       "hex",
		"lc_monetary":        "C",
		"xmloption":          "content",
		"array_nulls":        "on",

		// How names and definitions are written: regclass and its kin qualify every
		// name that the search path does not find.
		"search_path":                 "",
		"quote_all_identifiers":       "off",
		"standard_conforming_strings": "on",

		// What a session may see and do: with row_security off a policy that would
		// hide rows is an error instead.
		"row_security":                  "off",
		"default_transaction_read_only": "off",
		"synchronize_seqscans":          "off",

		// How long it may take: as long as it takes.
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",
	}
}
