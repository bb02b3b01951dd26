package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars are progress bars on a terminal: one for the whole of a phase, below it
// those of the tables at work. Not safe for concurrent use.
type bars struct {
	progress *mpb.Progress
	open     map[string]*bar
}

// bar is one line, with the last state told of it.
type bar struct {
	*mpb.Bar
	state atomic.Pointer[engine.Progress] // read by the goroutine that draws
}

// tableBars is how many tables are shown at once at most; the whole goes on telling of the rest.
const tableBars = 12

func newBars(out io.Writer) *bars {
	return &bars{progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(40)), open: map[string]*bar{}}
}

func (b *bars) print(text string) {
	fmt.Fprintln(b.progress, text)
}

func (b *bars) update(p engine.Progress) {
	key := p.Phase + "\x00" + p.Table
	line := b.open[key]
	if line == nil {
		if p.Done || p.Table != "" && len(b.open) > tableBars {
			return
		}
		line = b.add(p)
		b.open[key] = line
	}
	line.state.Store(&p)
	done, total := share(p)
	line.SetTotal(max(total, done, 1), false)
	line.SetCurrent(done)
	if p.Done {
		line.SetTotal(-1, true)
		delete(b.open, key)
	}
}

func (b *bars) add(p engine.Progress) *bar {
	line := &bar{}
	line.state.Store(&p)
	name := p.Table
	if name == "" {
		name = p.Phase
	}
	options := []mpb.BarOption{
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return amounts(*line.state.Load()) })),
	}
	if p.Table != "" {
		options = append(options, mpb.BarRemoveOnComplete())
	}
	line.Bar = b.progress.AddBar(0, options...) // SetTotal is for bars made without a total
	return line
}

// share is how much is done, and of how much: bytes, or where there are none rows.
func share(p engine.Progress) (done, total int64) {
	if p.TotalBytes == 0 && p.Bytes == 0 {
		return p.Rows, p.TotalRows
	}
	return p.Bytes, p.TotalBytes
}

func (b *bars) close() {
	for key, line := range b.open {
		line.Abort(false)
		delete(b.open, key)
	}
	b.progress.Wait()
}

// amounts are a progress's rows, bytes, rate and the time still to go.
func amounts(p engine.Progress) string {
	if p.TotalBytes == 0 && p.Bytes == 0 {
		return fmt.Sprintf("%s of %s", humanize.Comma(p.Rows), humanize.Comma(p.TotalRows))
	}
	text := fmt.Sprintf("%s rows, %s", humanize.Comma(p.Rows), humanize.IBytes(uint64(p.Bytes)))
	if s := p.Elapsed.Seconds(); s >= 1 {
		rate := float64(p.Bytes) / s
		text += fmt.Sprintf(", %s/s", humanize.IBytes(uint64(rate)))
		if left := float64(p.TotalBytes - p.Bytes); left > 0 && rate > 0 {
			text += fmt.Sprintf(", %v to go", time.Duration(left/rate*float64(time.Second)).Round(time.Second))
		}
	}
	return text
}

// progressLine tells a progress where there are no bars.
func progressLine(p engine.Progress) string {
	percent := ""
	if done, total := share(p); total > 0 {
		percent = fmt.Sprintf(" (%d%%)", min(100*done/total, 100))
	}
	return fmt.Sprintf("%s: %s%s", p.Phase, amounts(p), percent)
}
