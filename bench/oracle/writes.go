package oracle

import (
	"context"
	"fmt"
	"strings"
)

// The key spaces: they bound the tables and make writers meet.
const (
	tenants     = 6
	paths       = 25
	auditRows   = 400
	seatRows    = 150
	codedRows   = 200
	measureRows = 600
	vehicleRows = 120
	eventKinds  = 60
)

// path is one of the keys of app.documents: short ones, and some longer than fits into a page beside others.
func (w *writer) path() string {
	n := w.dice.IntN(paths)
	if n%3 == 0 {
		return fmt.Sprintf("path/%d", n)
	}
	// The same for everyone: made from n alone. 2200 bytes are stored out of line, and still fit an index entry.
	return fmt.Sprintf("path\t%d\\", n) + newDice(uint64(n), 7).long(2200)
}

// write runs one statement, or a few that belong together, on one table.
func (w *writer) write(ctx context.Context) error {
	writes := []func(context.Context) error{
		w.writeAccounts, w.writeAccounts, w.writeLedger, w.writeDocuments, w.writeDocuments, w.writeSettings, w.writeEvents, w.writeAudit,
		w.writeSeats, w.writeCoded, w.writeMeasures, w.writeReadings, w.writeVehicles, w.writeBulk, w.writeLists, w.writeScratch,
		w.writeOdd, w.writeNothing,
	}
	return writes[w.dice.IntN(len(writes))](ctx)
}

func (w *writer) exec(ctx context.Context, sql string, args ...any) error {
	_, err := w.s.exec(ctx, sql, args...)
	return err
}

// some is an account's id at or after a random one.
const some = `(SELECT id FROM app.accounts WHERE id >= (SELECT min(id) + floor(random() * (max(id) - min(id) + 1))::bigint FROM app.accounts) ORDER BY id LIMIT 1)`

func (w *writer) writeAccounts(ctx context.Context) error {
	columns := accountColumns()
	d := w.dice
	switch n := d.IntN(100); {
	case n < 22:
		var names, places []string
		var args []any
		for i, c := range columns {
			names, places, args = append(names, c.name), append(places, fmt.Sprintf("$%d", i+1)), append(args, c.value(d))
		}
		return w.exec(ctx, "INSERT INTO app.accounts ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(places, ", ")+")", args...)
	case n < 40:
		return w.exec(ctx, "DELETE FROM app.accounts WHERE id = "+some)
	case n < 46: // another key, and nothing else
		return w.exec(ctx, "UPDATE app.accounts SET id = DEFAULT WHERE id = "+some)
	case n < 50: // an update that changes nothing
		return w.exec(ctx, "UPDATE app.accounts SET note = note WHERE id = "+some)
	}
	d.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	var sets []string
	var args []any
	for i, c := range columns[:1+d.IntN(4)] {
		sets, args = append(sets, fmt.Sprintf("%s = $%d", c.name, i+1)), append(args, c.value(d))
	}
	return w.exec(ctx, "UPDATE app.accounts SET "+strings.Join(sets, ", ")+" WHERE id = "+some, args...)
}

func (w *writer) writeLedger(ctx context.Context) error {
	d := w.dice
	switch n := d.IntN(100); {
	case n < 40:
		return w.exec(ctx, "INSERT INTO app.ledger (account, ticket, amount) VALUES ("+some+", nextval('app.tickets'), $1)", d.numeric())
	case n < 55: // a value given out first, and used by a later statement
		ticket, err := w.s.value(ctx, "SELECT nextval('app.tickets')")
		if err != nil {
			return err
		}
		return w.exec(ctx, "INSERT INTO app.ledger (account, ticket, amount) VALUES (NULL, $1, 0)", ticket)
	case n < 80:
		return w.exec(ctx, "UPDATE app.ledger SET amount = $1 WHERE account = "+some, d.numeric())
	}
	return w.exec(ctx, "DELETE FROM app.ledger WHERE id IN (SELECT id FROM app.ledger ORDER BY random() LIMIT 2)")
}

func (w *writer) writeDocuments(ctx context.Context) error {
	d := w.dice
	tenant, path := d.IntN(tenants), w.path()
	switch n := d.IntN(100); {
	case n < 30:
		return w.exec(ctx, "INSERT INTO app.documents VALUES ($1, $2, 1, $3, $4) ON CONFLICT (tenant, path) DO UPDATE SET version = "+
			"documents.version + 1",
			tenant, path, d.story(), d.story())
	case n < 50:
		return w.exec(ctx, "UPDATE app.documents SET version = version + 1 WHERE tenant = $1 AND path = $2", tenant, path)
	case n < 62: // one column out of line changes, the other stays
		return w.exec(ctx, "UPDATE app.documents SET body = $3 WHERE tenant = $1 AND path = $2", tenant, path, d.story())
	case n < 70:
		return w.exec(ctx, "UPDATE app.documents SET extra = $3 WHERE tenant = $1 AND path = $2", tenant, path, d.story())
	case n < 75:
		return w.exec(ctx, "UPDATE app.documents SET body = extra, extra = body WHERE tenant = $1 AND path = $2", tenant, path)
	case n < 85:
		return w.exec(ctx, "UPDATE app.documents SET path = $3 WHERE tenant = $1 AND path = $2", tenant, path, w.path())
	case n < 88:
		return w.exec(ctx, "UPDATE app.documents SET version = version + 1 WHERE tenant = $1", tenant)
	}
	return w.exec(ctx, "DELETE FROM app.documents WHERE tenant = $1 AND path = $2", tenant, path)
}

func (w *writer) writeSettings(ctx context.Context) error {
	d := w.dice
	scope, name := d.IntN(40), pick(d, "plain", "tab\t", `back\`, "", "größe", `\N`)
	switch n := d.IntN(100); {
	case n < 40:
		return w.exec(ctx, "INSERT INTO app.settings VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			d.story(), scope, name, d.float(), d.IntN(9))
	case n < 60:
		return w.exec(ctx, "UPDATE app.settings SET weight = $1 WHERE scope = $2 AND name = $3", d.float(), scope, name)
	case n < 75:
		return w.exec(ctx, "UPDATE app.settings SET name = $1 WHERE scope = $2 AND name = $3", pick(d, "plain", "tab\t", ""), scope, name)
	}
	return w.exec(ctx, "DELETE FROM app.settings WHERE scope = $1 AND name = $2", scope, name)
}

func (w *writer) writeEvents(ctx context.Context) error {
	d := w.dice
	kind := d.IntN(eventKinds)
	switch n := d.IntN(100); {
	case n < 30: // several rows equal in every byte, sometimes equal to older ones
		return w.exec(ctx, "INSERT INTO app.events SELECT $1, $2, $3, $4, NULL FROM generate_series(1, $5::int)",
			kind, pick[any](d, nil, "2024-01-01"), pick[any](d, "-0", "0", "NaN", nil), pick[any](d, "same", "", `\N`, nil), 1+d.IntN(4))
	case n < 45:
		return w.exec(ctx, "INSERT INTO app.events VALUES ($1, $2, $3, $4, $5)", kind, d.timestamp(), d.float(), d.text(), d.story())
	case n < 65: // one of many equal ones
		return w.exec(ctx, "UPDATE app.events SET payload = $2 WHERE ctid = (SELECT ctid FROM app.events WHERE kind = $1 LIMIT 1)",
			kind, pick[any](d, "same", "", nil))
	case n < 75:
		return w.exec(ctx, "UPDATE app.events SET kind = kind + 1 WHERE kind = $1", kind)
	case n < 90:
		return w.exec(ctx, "DELETE FROM app.events WHERE ctid = (SELECT ctid FROM app.events WHERE kind = $1 LIMIT 1)", kind)
	}
	return w.exec(ctx, "DELETE FROM app.events WHERE kind >= $1 AND kind <= $1::int + 2", kind)
}

func (w *writer) writeAudit(ctx context.Context) error {
	d := w.dice
	id := d.IntN(auditRows)
	switch n := d.IntN(100); {
	case n < 35:
		return w.exec(ctx, "INSERT INTO app.audit VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", id, d.text(), d.picture(), nil)
	case n < 70:
		return w.exec(ctx, "UPDATE app.audit SET what = $2 WHERE id = $1", id, d.text())
	case n < 80:
		return w.exec(ctx, "UPDATE app.audit SET id = $2 WHERE id = $1", id, d.IntN(auditRows))
	}
	return w.exec(ctx, "DELETE FROM app.audit WHERE id = $1", id)
}

func (w *writer) writeSeats(ctx context.Context) error {
	d := w.dice
	id := d.IntN(seatRows)
	switch n := d.IntN(100); {
	case n < 40: // no ON CONFLICT with a deferrable constraint
		return w.exec(ctx, "INSERT INTO app.seats SELECT $1::int, $2, $3 WHERE NOT EXISTS (SELECT FROM app.seats WHERE id = $1::int)",
			id, d.text(), d.story())
	case n < 60:
		return w.exec(ctx, "UPDATE app.seats SET holder = $2 WHERE id = $1", id, d.text())
	case n < 75: // two exchanged in one statement: the constraint is checked at its end, or the transaction's
		return w.exec(ctx, "UPDATE app.seats SET id = $1::int + $2::int - id WHERE id IN ($1::int, $2::int)", id, d.IntN(seatRows))
	}
	return w.exec(ctx, "DELETE FROM app.seats WHERE id = $1", id)
}

func (w *writer) writeCoded(ctx context.Context) error {
	d := w.dice
	n := d.IntN(codedRows)
	switch r := d.IntN(100); {
	case r < 40:
		return w.exec(ctx, "INSERT INTO app.coded (n, body) VALUES ($1, $2) ON CONFLICT DO NOTHING", n, d.story())
	case r < 60:
		return w.exec(ctx, "UPDATE app.coded SET body = $2 WHERE n = $1", n, d.text())
	case r < 75:
		return w.exec(ctx, "UPDATE app.coded SET n = $2 WHERE n = $1", n, d.IntN(codedRows))
	}
	return w.exec(ctx, "DELETE FROM app.coded WHERE n = $1", n)
}

func (w *writer) region() string { return pick(w.dice, "north", "south", "west", "east", "") }

func (w *writer) writeMeasures(ctx context.Context) error {
	d := w.dice
	id, region := d.IntN(measureRows), w.region()
	switch n := d.IntN(100); {
	case n < 35:
		return w.exec(ctx, "INSERT INTO app.measures VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			id, region, d.timestamp(), d.float(), d.story())
	case n < 50:
		return w.exec(ctx, "UPDATE app.measures SET value = $2 WHERE id BETWEEN $1::int AND $1::int + 3", id, d.float())
	case n < 70: // to another partition
		return w.exec(ctx, "UPDATE app.measures SET region = $2 WHERE id = $1 AND region = $3", id, w.region(), region)
	case n < 80:
		return w.exec(ctx, "UPDATE app.measures SET id = $2 WHERE id = $1 AND region = $3", id, d.IntN(measureRows), region)
	}
	return w.exec(ctx, "DELETE FROM app.measures WHERE id = $1", id)
}

func (w *writer) writeReadings(ctx context.Context) error {
	d := w.dice
	day := d.IntN(40)
	switch n := d.IntN(100); {
	case n < 50:
		return w.exec(ctx, "INSERT INTO app.readings VALUES ($1, $2), ($1, $2)", day, d.text())
	case n < 70:
		return w.exec(ctx, "UPDATE app.readings SET day = $2 WHERE day = $1", day, d.IntN(40))
	}
	return w.exec(ctx, "DELETE FROM app.readings WHERE day = $1", day)
}

func (w *writer) writeVehicles(ctx context.Context) error {
	d := w.dice
	id := d.IntN(vehicleRows)
	switch n := d.IntN(100); {
	case n < 16:
		return w.exec(ctx, "INSERT INTO app.vehicles VALUES ($1, $2) ON CONFLICT DO NOTHING", id, d.text())
	case n < 32:
		return w.exec(ctx, "INSERT INTO app.cars VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", id, d.text(), 3, d.maybe("5"))
	case n < 48:
		return w.exec(ctx, "INSERT INTO app.trucks VALUES ($1, $2, $3, $4)", id, d.text(), 6, d.numeric())
	case n < 65: // all three tables
		return w.exec(ctx, "UPDATE app.vehicles SET wheels = wheels + 1 WHERE id = $1", id)
	case n < 75:
		return w.exec(ctx, "UPDATE ONLY app.vehicles SET id = $2 WHERE id = $1", id, d.IntN(vehicleRows))
	case n < 85:
		return w.exec(ctx, "UPDATE app.trucks SET payload = $2 WHERE id = $1", id, d.numeric())
	}
	return w.exec(ctx, "DELETE FROM app.vehicles WHERE id = $1", id)
}

func (w *writer) writeBulk(ctx context.Context) error {
	id := w.dice.IntN(300000)
	if w.dice.chance(50) {
		return w.exec(ctx, "UPDATE app.bulk SET v = $2 WHERE id BETWEEN $1::int AND $1::int + 2", id, w.dice.text())
	}
	return w.exec(ctx, "DELETE FROM app.bulk WHERE id = $1", id)
}

func (w *writer) writeLists(ctx context.Context) error {
	d := w.dice
	switch n := d.IntN(100); {
	case n < 30:
		return w.exec(ctx, "INSERT INTO app.lists (name) VALUES ($1)", d.text())
	case n < 70:
		return w.exec(ctx, "INSERT INTO app.items (list, name) SELECT id, $1 FROM app.lists ORDER BY random() LIMIT 3", d.text())
	case n < 85:
		return w.exec(ctx, "UPDATE app.items SET name = $1 WHERE list = (SELECT id FROM app.lists ORDER BY random() LIMIT 1)", d.text())
	}
	return w.exec(ctx, "DELETE FROM app.lists WHERE id = (SELECT id FROM app.lists ORDER BY random() LIMIT 1)")
}

func (w *writer) writeScratch(ctx context.Context) error {
	d := w.dice
	if d.chance(60) {
		return w.exec(ctx, "INSERT INTO app.scratch (v) VALUES ($1), ($2)", d.text(), d.text())
	}
	return w.exec(ctx, "DELETE FROM app.scratch WHERE id % 17 = $1", d.IntN(17))
}

func (w *writer) writeOdd(ctx context.Context) error {
	d := w.dice
	const odd = `public."Odd ""name"", größer"`
	key := d.IntN(300)
	switch n := d.IntN(100); {
	case n < 35:
		return w.exec(ctx, "INSERT INTO "+odd+` VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, key, d.text(), d.text())
	case n < 60:
		return w.exec(ctx, "UPDATE "+odd+` SET "a.b" = $2 WHERE "the key" = $1`, key, d.text())
	case n < 75:
		return w.exec(ctx, "UPDATE "+odd+` SET "select" = added, late = late + 1 WHERE "the key" BETWEEN $1::int AND $1::int + 4`, key)
	}
	return w.exec(ctx, "DELETE FROM "+odd+` WHERE "the key" = $1`, key)
}

func (w *writer) writeNothing(ctx context.Context) error {
	if w.dice.chance(60) {
		return w.exec(ctx, "INSERT INTO app.nothing DEFAULT VALUES")
	}
	return w.exec(ctx, "DELETE FROM app.nothing WHERE ctid = (SELECT ctid FROM app.nothing LIMIT 1)")
}
