package fidelity

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// extension is an extension with configuration (pg_extension_config_dump), which none of PostgreSQL's own has: a table whose users' rows a
// condition chooses, one whose rows are all theirs, one that is not configuration, and a sequence.
//
//go:embed extension
var extension embed.FS

// configured is what users do with it.
const configured = `
CREATE SCHEMA configured;
CREATE EXTENSION fidelity_configured SCHEMA configured;
INSERT INTO configured.kinds (name, parent) VALUES ('first', NULL), ('second', 1), (E'new\t"row"', -2);
INSERT INTO configured.rates VALUES (1, 1.5, 'a'), (-1, 0.0, NULL), (1, 1.5, 'a');
CREATE TABLE configured.things (id integer PRIMARY KEY, kind integer REFERENCES configured.kinds);
INSERT INTO configured.things VALUES (1, 3), (2, -1);
GRANT SELECT ON configured.rates TO cat_reader;
GRANT USAGE ON SEQUENCE configured.kinds_id_seq TO cat_other`

// extend puts the extension beside the server's others. Programs that were named are not ours to add to.
func (t *trial) extend(ctx context.Context, s *pgtemp.Server) (bool, error) {
	if len(t.Servers) > 0 {
		t.logf("without an extension with configuration: named programs stay as they are")
		return false, nil
	}
	conn, err := connect(ctx, s.ConnString("postgres"), settings())
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	var share string
	if err := conn.QueryRow(ctx, `SELECT setting FROM pg_catalog.pg_config WHERE name = 'SHAREDIR'`).Scan(&share); err != nil {
		return false, fmt.Errorf("ask for the folder of extensions: %w", err)
	}
	files, err := extension.ReadDir("extension")
	if err != nil {
		return false, err
	}
	for _, f := range files {
		text, err := extension.ReadFile("extension/" + f.Name())
		if err != nil {
			return false, err
		}
		path := filepath.Join(share, "extension", f.Name())
		half := fmt.Sprintf("%s.%d", path, os.Getpid())
		if err := os.WriteFile(half, text, 0o644); err != nil {
			return false, err
		}
		if err := os.Rename(half, path); err != nil {
			return false, err
		}
	}
	return true, nil
}
