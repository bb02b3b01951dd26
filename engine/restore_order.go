package engine

import (
	"context"
	"fmt"
	"slices"
)

// planOrder plans in which order the tables of a data-only restore are loaded, as a role whose rows are held to the
// target's foreign keys at once: those referred to go first. Tables that refer to each other in a circle, or to
// themselves, cannot be ordered and are refused. A superuser's sessions check no foreign keys
// (session_replication_role = replica), and tables that a restore makes have none yet: one round takes them all.
func (r *restore) planOrder(ctx context.Context) error {
	schemas, names := r.names(r.wanted)
	// A partition has a constraint of its own, which refers to a partitioned table as such.
	rows, err := r.target.conn.Query(ctx, `WITH mine AS (SELECT c.oid, w.i - 1 AS i FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(s, n, i)
			JOIN pg_catalog.pg_namespace ns ON ns.nspname = w.s JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relname = w.n)
		SELECT DISTINCT a.i::int, b.i::int FROM pg_catalog.pg_constraint k JOIN mine a ON a.oid = k.conrelid
		JOIN mine b ON b.oid = k.confrelid OR b.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(k.confrelid))
		WHERE k.contype = 'f'`, schemas, names)
	if err != nil {
		return fmt.Errorf("look for foreign keys on the target: %w", err)
	}
	defer rows.Close()
	refersTo := make([][]int, len(r.wanted))
	for rows.Next() {
		var from, to int
		if err := rows.Scan(&from, &to); err != nil {
			return fmt.Errorf("look for foreign keys on the target: %w", err)
		}
		refersTo[from] = append(refersTo[from], to)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for foreign keys on the target: %w", err)
	}
	round, circle := rounds(refersTo)
	if len(circle) > 0 {
		var named []string
		for _, i := range circle {
			named = append(named, schemas[i]+"."+names[i])
		}
		return fmt.Errorf("these tables refer to themselves or to each other, and a foreign key holds each loaded row to what is there already: %s; run as a superuser (whose rows are not checked), or drop those foreign keys first",
			fewOf(named, 12))
	}
	r.rounds = round
	return nil
}

// rounds says of each of n tables in which round it can be loaded: after all that it refers to. Those that no round can take,
// being in a circle or referring to one, are returned apart.
func rounds(refersTo [][]int) (round []int, circle []int) {
	round = make([]int, len(refersTo))
	for i := range round {
		round[i] = -1
	}
	for n := 0; ; n++ {
		var now []int
		for i, others := range refersTo {
			ready := round[i] < 0
			for _, other := range others {
				ready = ready && round[other] >= 0
			}
			if ready {
				now = append(now, i)
			}
		}
		if len(now) == 0 {
			break
		}
		for _, i := range now {
			round[i] = n
		}
	}
	for i := range round {
		if round[i] < 0 {
			circle = append(circle, i)
		}
	}
	return round, circle
}

// inRounds groups the tables to load, which are those of wanted, by their rounds.
func (r *restore) inRounds(tables []*loadTable) [][]*loadTable {
	if r.rounds == nil {
		return [][]*loadTable{tables}
	}
	grouped := make([][]*loadTable, 1+slices.Max(append(r.rounds, 0)))
	for i, t := range tables {
		grouped[r.rounds[i]] = append(grouped[r.rounds[i]], t)
	}
	return grouped
}
