package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/pgrecall/pgrecall/engine"
)

// console writes notes, progress and errors to standard error: bars on a terminal,
// a line now and then elsewhere, records where JSON was asked for. It is safe for
// concurrent use.
type console struct {
	out   io.Writer
	quiet bool
	json  *slog.Logger // nil: plain text

	mu   sync.Mutex
	bars *bars // nil where standard error is no terminal
	last time.Time
}

// lineEvery is how often progress is told where there are no bars.
const lineEvery = 10 * time.Second

func newConsole(out io.Writer, asJSON, quiet bool) *console {
	c := &console{out: out, quiet: quiet, last: time.Now()}
	switch {
	case asJSON:
		c.json = slog.New(slog.NewJSONHandler(out, nil))
	case !quiet && isTerminal(out):
		c.bars = newBars(out)
	}
	return c
}

// isTerminal tells whether w is a terminal that understands cursor movement.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// Note writes one line.
func (c *console) Note(n engine.Note) {
	if c.quiet && n.Level == engine.LevelInfo {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.json != nil && n.Level == engine.LevelInfo:
		c.json.Info(n.Text)
	case c.json != nil:
		c.json.Warn(n.Text, "alert", n.Level == engine.LevelAlert)
	default:
		c.line(prefix(n.Level) + n.Text)
	}
}

func prefix(l engine.Level) string {
	switch l {
	case engine.LevelWarn:
		return "warning: "
	case engine.LevelAlert:
		return "ALERT: "
	}
	return ""
}

// line writes a line above the bars, if there are any.
func (c *console) line(text string) {
	if c.bars != nil {
		c.bars.print(text)
		return
	}
	fmt.Fprintln(c.out, text)
}

// Progress moves the bars, or writes a line for the whole now and then.
func (c *console) Progress(p engine.Progress) {
	if c.quiet {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bars != nil {
		c.bars.update(p)
		return
	}
	if p.Table != "" || time.Since(c.last) < lineEvery {
		return
	}
	c.last = time.Now()
	if c.json != nil {
		c.json.Info("progress", "phase", p.Phase, "rows", p.Rows, "bytes", p.Bytes, "total_bytes", p.TotalBytes)
		return
	}
	fmt.Fprintln(c.out, progressLine(p))
}

// settle ends the bars, so that a result can be printed below them.
func (c *console) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bars != nil {
		c.bars.close()
		c.bars = nil
	}
}

func (c *console) close() { c.settle() }

// fail writes the error that ends the command.
func (c *console) fail(err error) {
	c.settle()
	if c.json != nil {
		c.json.Error(err.Error())
		return
	}
	fmt.Fprintf(c.out, "pgrecall: %v\n", err)
}
