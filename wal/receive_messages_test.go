package wal

import (
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// TestNoMessageStopsTheStream: every role may write messages, of any bytes, into the log.
func TestNoMessageStopsTheStream(t *testing.T) {
	for _, encoding := range []string{"UTF8", "EUC_JP", "WIN1252", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			s := newSource(t, sharedServer(t), "messages_"+strings.ToLower(encoding), "ENCODING '"+encoding+"' LOCALE 'C'")
			emit := func(prefix, content string) string {
				return "select pg_logical_emit_message(true, '" + prefix + "', " + content + ")"
			}
			s.exec(emit("pgrecall.ddl", `'\xff00'::bytea`), emit("pgrecall.ddl", `'\xc281c3a9'::bytea`),
				emit("pgrecall.mark", `'\xff81'::bytea`), emit("pgrecall.mark", `'\x0a00'::bytea`), emit("pgrecall.mark", "''"),
				emit("pgrecall.mark", "repeat('x', 201)"), emit("pgrecall.other", "'x'"), emit("other", "'x'"),
				emit("pgrecall.heartbeat", "'x'"),
				"begin; "+emit("pgrecall.ddl", "'first'")+"; "+emit("pgrecall.ddl", "repeat('x', 70000000)")+"; "+
					emit("pgrecall.ddl", "'third'")+"; "+emit("pgrecall.mark", "'lost'")+"; commit",
				emit("pgrecall.mark", "'kept'"))
			sink := newSink(t)
			s.once(sink)
			var got []string
			for _, segment := range sink.all() {
				for _, m := range segment.open.Messages() {
					if m.Prefix != format.PrefixHeartbeat || m.Content != "" {
						got = append(got, strings.TrimPrefix(m.Prefix, "pgrecall.")+" "+m.Content)
					}
				}
			}
			wantText(t, "messages", strings.Join(got, "\n"), strings.Join([]string{
				"ddl \ufffd\x00", "ddl \u0081é", "other x", "ddl first", "ddl " + saidTooMuch, "mark kept"}, "\n"))
		})
	}
}
