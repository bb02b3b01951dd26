package engine

import (
	"context"
	"fmt"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// planDrops plans the statements of Clean: exactly the objects that the restore makes and the target has, never
// CASCADE. What depends on them and is not among them is refused by name.
func (r *restore) planDrops(ctx context.Context) error {
	all := r.script.Drops()
	there, err := r.target.ask(ctx, all)
	if err != nil {
		return err
	}
	var drops []catalog.Statement
	for i, d := range all {
		if exists, asked := there[i]; exists || !asked {
			drops = append(drops, d)
			r.drops = append(r.drops, d.SQL)
		}
	}
	r.plan.Drops = r.drops
	dependents, err := catalog.DropDependents(ctx, r.target.conn, drops)
	if err != nil {
		return err
	}
	if len(dependents) == 0 {
		return nil
	}
	var names []string
	for _, d := range dependents {
		names = append(names, d.What+" (on "+d.On+")")
	}
	return fmt.Errorf("--clean drops exactly the objects it restores, and these depend on them: %s; drop them first, or restore them too", fewOf(names, 12))
}
