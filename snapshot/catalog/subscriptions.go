package catalog

import (
	"context"
	"strings"
)

// Subscription is a subscription of the database.
type Subscription struct {
	Object
	Connection        string   `json:",omitzero"` // with its password, if it has one
	Publications      []string `json:",omitzero"`
	Slot              string   `json:",omitzero"` // empty: NONE
	Enabled           bool     `json:",omitzero"`
	Binary            bool     `json:",omitzero"`
	Streaming         string   `json:",omitzero"` // off, on or parallel
	SynchronousCommit string   `json:",omitzero"`
	TwoPhase          bool     `json:",omitzero"`
	DisableOnError    bool     `json:",omitzero"`
	NoPassword        bool     `json:",omitzero"` // password_required is off
	RunAsOwner        bool     `json:",omitzero"`
	Failover          bool     `json:",omitzero"`
	Origin            string   `json:",omitzero"` // empty: any
	OwnerSuper        bool     `json:",omitzero"` // its owner is a superuser, as ALTER … OWNER wants it before 16
}

func (x *Subscription) ref() Ref { return Ref{ClassSubscription, x.OID} }

// ours limits pg_subscription, which is shared, to this database's.
const ours = `s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`

// readSubscriptions reads subscriptions where the role may see their connection strings, and else lists them. As an
// older server's workers act as the subscription's owner, run_as_owner is what a newer one calls that.
func (r *reader) readSubscriptions(ctx context.Context) error {
	var err error
	if !r.may.Subscriptions {
		rows, err := collect[Unsupported](ctx, r, "listing subscriptions", `
SELECT 'subscription' AS kind, quote_ident(s.subname) AS name,
       'its connection string is not readable to the role that read the catalog; a superuser or a member of pg_read_all_data may' AS why
FROM pg_subscription s WHERE `+ours+` ORDER BY s.subname`)
		r.c.Unsupported = append(r.c.Unsupported, rows...)
		return err
	}
	r.c.Subscriptions, err = collect[Subscription](ctx, r, "reading subscriptions", `
SELECT s.oid, s.subname::text AS name, pg_get_userbyid(s.subowner)::text AS owner, coalesce(note.description, '') AS comment,
       s.subconninfo AS connection, s.subpublications AS publications, coalesce(s.subslotname::text, '') AS slot, s.subenabled AS enabled,
       s.subbinary AS binary, s.subsynccommit AS synchronous_commit,
       CASE s.substream::text WHEN 'p' THEN 'parallel' WHEN 't' THEN 'on' WHEN 'true' THEN 'on' ELSE 'off' END AS streaming,
       `+r.since(15, `s.subtwophasestate <> 'd' AS two_phase, s.subdisableonerr AS disable_on_error`, `false AS two_phase`)+`,
       `+r.since(16, `NOT s.subpasswordrequired AS no_password, s.subrunasowner AS run_as_owner, CASE WHEN s.suborigin <> 'any' THEN s.suborigin ELSE '' END AS origin`,
		`true AS run_as_owner`)+`,
       `+r.since(17, `s.subfailover`, `false`)+` AS failover,
       coalesce((SELECT rolsuper FROM pg_roles WHERE oid = s.subowner), false) AS owner_super
FROM pg_subscription s {note pg_subscription s} WHERE `+ours+` ORDER BY s.subname`)
	return err
}

// subscriptionColumns are those that everybody may read and that the model holds.
func (r *reader) subscriptionColumns() string {
	columns := "s.oid, s.subname, s.subowner, s.subenabled, s.subbinary, s.substream, s.subslotname, s.subsynccommit, s.subpublications" +
		r.since(15, ", s.subtwophasestate <> 'd', s.subdisableonerr", "") +
		r.since(16, ", s.subpasswordrequired, s.subrunasowner, s.suborigin", "") + r.since(17, ", s.subfailover", "")
	if r.may.Subscriptions {
		columns += ", s.subconninfo"
	}
	return columns
}

// addSubscriptions adds the subscriptions, disabled: a slot serves one subscriber, and that is still the source. Nothing
// is asked of the publisher.
func (p *planner) addSubscriptions() {
	for i := range p.c.Subscriptions {
		x := &p.c.Subscriptions[i]
		name := QuoteIdent(x.Name)
		s := Statement{Kind: "SUBSCRIPTION", Name: x.Name, OID: x.OID, Locks: []uint32{x.OID}, Secret: true, at: x.address(),
			SQL: "CREATE SUBSCRIPTION " + name + " CONNECTION " + strings.TrimSpace(quoteLiteral(x.Connection)) +
				" PUBLICATION " + quoteIdents(x.Publications) + " WITH (" + strings.Join(x.options(p.c.ServerVersion), ", ") + ")",
			// A subscription that has its slot still takes it along when it is dropped, from the publisher too.
			undo:   "DO " + dollarQuote("BEGIN ALTER SUBSCRIPTION "+name+" DISABLE; ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE); END"),
			undoIf: x.address().exists()}
		p.addAt(StagePublications, s)
		s.Secret, s.undo, s.undoIf, s.at = false, "", "", address{}
		if x.RunAsOwner && p.c.ServerVersion < 160000 {
			s.SQL = "DO " + dollarQuote("BEGIN IF pg_catalog.current_setting('server_version_num')::int >= 160000 THEN ALTER SUBSCRIPTION "+
				name+" SET (run_as_owner = true); END IF; END")
			p.addAt(StagePublications, s)
		}
		d := described{kind: "SUBSCRIPTION", sql: name, name: x.Name, oid: x.OID, owner: x.Owner, comment: x.Comment,
			labels: x.SecurityLabels, stage: StageLast}
		d.keepOwner = p.c.ServerVersion < 160000 && p.ownerStays("subscription "+x.Name, x.Owner, x.OwnerSuper)
		if !d.keepOwner && !p.o.NoOwner {
			s.SQL = "ALTER SUBSCRIPTION " + name + " OWNER TO " + QuoteIdent(x.Owner)
			p.addAt(StagePublications, s)
		}
		p.addComment(d)
		if x.Enabled {
			p.leaveOut("subscription "+x.Name+" being enabled",
				"its slot serves the source; when the source is gone, ALTER SUBSCRIPTION … ENABLE and REFRESH PUBLICATION")
		}
	}
}

// options are those of CREATE SUBSCRIPTION that are not every server's default; off is no longer that of streaming in 18.
func (x *Subscription) options(server int) []string {
	options := []string{"connect = false", "slot_name = NONE"}
	if x.Slot != "" {
		options[1] = "slot_name = " + strings.TrimSpace(quoteLiteral(x.Slot))
	}
	options = append(options, "streaming = "+x.Streaming)
	for _, o := range []struct {
		set  bool
		text string
	}{
		{x.Binary, "binary = true"},
		{x.TwoPhase, "two_phase = true"},
		{x.DisableOnError, "disable_on_error = true"},
		{x.NoPassword, "password_required = false"},
		{x.RunAsOwner && server >= 160000, "run_as_owner = true"},
		{x.Failover, "failover = true"},
		{x.SynchronousCommit != "off", "synchronous_commit = " + strings.TrimSpace(quoteLiteral(x.SynchronousCommit))},
		{x.Origin != "", "origin = " + strings.TrimSpace(quoteLiteral(x.Origin))},
	} {
		if o.set {
			options = append(options, o.text)
		}
	}
	return options
}

func (x *Subscription) address() address {
	return address{"pg_subscription", "SELECT s.oid FROM pg_catalog.pg_subscription s WHERE s.subname = " + quoteLiteral(x.Name) +
		" AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())", "SUBSCRIPTION", QuoteIdent(x.Name)}
}
