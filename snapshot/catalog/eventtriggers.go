package catalog

import (
	"context"
	"strings"
)

// EventTrigger is a user's event trigger.
type EventTrigger struct {
	Object
	Event      string   `json:",omitzero"`
	Tags       []string `json:",omitzero"`
	Function   string   `json:",omitzero"` // schema-qualified and quoted, without arguments
	Enabled    string   `json:",omitzero"` // pg_event_trigger.evtenabled
	OwnerSuper bool     `json:",omitzero"` // its owner is a superuser, as ALTER … OWNER wants it
}

func (e *EventTrigger) ref() Ref { return Ref{ClassEventTrigger, e.OID} }

func (r *reader) readEventTriggers(ctx context.Context) error {
	var err error
	r.c.EventTriggers, err = collect[EventTrigger](ctx, r, "reading event triggers", `
SELECT e.oid, e.evtname::text AS name, pg_get_userbyid(e.evtowner)::text AS owner, coalesce(note.description, '') AS comment,
       e.evtevent::text AS event, e.evttags AS tags, e.evtenabled::text AS enabled, `+functionName("e.evtfoid")+` AS function,
       coalesce((SELECT rolsuper FROM pg_roles WHERE oid = e.evtowner), false) AS owner_super
FROM pg_event_trigger e {note pg_event_trigger e}
WHERE e.evtname !~ '^pgrecall' AND {own pg_event_trigger e} ORDER BY e.evtname`)
	return err
}

// addEventTriggers adds the event triggers after everything that would fire them.
func (p *planner) addEventTriggers() {
	for i := range p.c.EventTriggers {
		e := &p.c.EventTriggers[i]
		s := Statement{Kind: "EVENT TRIGGER", Name: e.Name, OID: e.OID, Locks: []uint32{e.OID},
			at: plainAddress("EVENT TRIGGER", "pg_event_trigger", "evtname", e.Name)}
		s.SQL = "CREATE EVENT TRIGGER " + QuoteIdent(e.Name) + " ON " + QuoteIdent(e.Event)
		if len(e.Tags) > 0 {
			tags := make([]string, len(e.Tags))
			for j, tag := range e.Tags {
				tags[j] = strings.TrimSpace(quoteLiteral(tag))
			}
			s.SQL += " WHEN TAG IN (" + strings.Join(tags, ", ") + ")"
		}
		s.SQL += " EXECUTE FUNCTION " + e.Function + "()"
		p.addAt(StageEventTriggers, s)
		s.at = address{}
		stays := p.ownerStays("event trigger "+e.Name, e.Owner, e.OwnerSuper)
		if !p.o.NoOwner && !stays {
			s.SQL = "ALTER EVENT TRIGGER " + QuoteIdent(e.Name) + " OWNER TO " + QuoteIdent(e.Owner)
			p.addAt(StageEventTriggers+1, s)
		}
		p.addComment(described{kind: "EVENT TRIGGER", sql: QuoteIdent(e.Name), name: e.Name, oid: e.OID, comment: e.Comment,
			labels: e.SecurityLabels, stage: StageEventTriggers + 1})
		if verb := enabledSQL(e.Enabled); verb != "" {
			s.SQL = "ALTER EVENT TRIGGER " + QuoteIdent(e.Name) + " " + verb
			p.addAt(StageEventTriggers+2, s)
		}
	}
}
