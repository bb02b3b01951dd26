package fidelity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// draw draws the picture of a database; whole: with the database itself and what the databases of its server share.
func draw(ctx context.Context, pgDump, db string, whole bool) (Picture, error) {
	args := []string{"--schema-only"}
	if whole {
		args = append(args, "--create")
	}
	script, err := dumped(ctx, pgDump, db, args...)
	if err != nil {
		return nil, err
	}
	p := entries(script)
	if whole {
		script, err := dumped(ctx, dumpall(pgDump), db, "--globals-only")
		if err != nil {
			return nil, err
		}
		p.addGlobals(script)
	}
	conn, err := connect(ctx, db, settings())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	for _, add := range []func(context.Context, *pgx.Conn) error{p.addNotNulls, p.addRows, p.addSequences, p.addLargeObjects} {
		if err := add(ctx, conn); err != nil {
			return nil, fmt.Errorf("database %s: %w", conn.Config().Database, err)
		}
	}
	return p, p.addDDL(ctx, db)
}

// addDDL adds the statements that pgrecall itself would write, each, and the whole of them as its command `schema` writes it.
func (p Picture) addDDL(ctx context.Context, db string) error {
	script, err := ddl(ctx, db)
	if err != nil {
		return err
	}
	var whole bytes.Buffer
	if err := engine.Schema(ctx, engine.SchemaOptions{Live: true, DB: db}, &whole); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	p.add(wholeDDL(), fmt.Sprintf("SHA-256 %x", sha256.Sum256(withoutLeftOut(whole.Bytes()))))
	for _, s := range script.Statements {
		p.add(Item{DDL, s.Kind + " " + s.Name}, fmt.Sprintf("%s: %s", s.Section, s.SQL))
	}
	return nil
}

// withoutLeftOut takes out of a script of `schema` what it says that it does not write: the copy does not have it.
func withoutLeftOut(script []byte) []byte {
	return regexp.MustCompile(`\n(-- Not written: .*\n)+`).ReplaceAll(script, nil)
}

// wholeDDL is the item of all statements, in their order.
func wholeDDL() Item { return Item{DDL, "all, as schema writes them"} }

// ddl reads a database's catalog and plans its DDL.
func ddl(ctx context.Context, db string) (script catalog.Script, err error) {
	conn, err := connect(ctx, db, format.SessionSettings())
	if err != nil {
		return script, err
	}
	defer conn.Close(ctx)
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		c, err := catalog.Read(ctx, tx)
		if err != nil {
			return err
		}
		script, err = c.DDL(catalog.DDLOptions{})
		return err
	})
	return script, err
}
