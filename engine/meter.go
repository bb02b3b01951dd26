package engine

import (
	"sync"
	"time"
)

// meter adds up what several goroutines do in a phase, table by table, and tells it to a Tracer: now and then a table
// at work and the whole, and the end of each table that was told of. Bytes are those of COPY text. A table's total may
// be an estimate in other bytes; its end corrects the total of the whole.
type meter struct {
	tracer Tracer
	began  time.Time

	mu     sync.Mutex
	last   time.Time
	whole  Progress
	tables map[uint32]*metered
}

// metered is a table at work.
type metered struct {
	Progress
	began time.Time
	told  bool
}

// meterEvery is how often progress is told.
const meterEvery = 100 * time.Millisecond

func newMeter(tracer Tracer, phase string, total int64) *meter {
	return &meter{tracer: tracing(tracer), began: time.Now(), whole: Progress{Phase: phase, TotalBytes: total}, tables: map[uint32]*metered{}}
}

// did adds rows and bytes to a table, of which total bytes are expected.
func (m *meter) did(oid uint32, name string, total, rows, bytes int64) {
	m.mu.Lock()
	now := time.Now()
	t := m.tables[oid]
	if t == nil {
		t = &metered{Progress: Progress{Phase: m.whole.Phase, Table: name, TotalBytes: total}, began: now}
		m.tables[oid] = t
	}
	t.Rows, t.Bytes = t.Rows+rows, t.Bytes+bytes
	m.whole.Rows, m.whole.Bytes = m.whole.Rows+rows, m.whole.Bytes+bytes
	if now.Sub(m.last) < meterEvery {
		m.mu.Unlock()
		return
	}
	m.last, t.told = now, true
	t.Elapsed, m.whole.Elapsed = now.Sub(t.began), now.Sub(m.began)
	table, whole := t.Progress, m.whole
	m.mu.Unlock()
	table.TotalBytes, whole.TotalBytes = max(table.TotalBytes, table.Bytes), max(whole.TotalBytes, whole.Bytes)
	m.tracer.Progress(table)
	m.tracer.Progress(whole)
}

// done ends a table.
func (m *meter) done(oid uint32) {
	m.mu.Lock()
	t := m.tables[oid]
	if t == nil {
		m.mu.Unlock()
		return
	}
	delete(m.tables, oid)
	m.whole.TotalBytes += t.Bytes - t.TotalBytes
	t.TotalBytes, t.Done, t.Elapsed = t.Bytes, true, time.Since(t.began)
	m.mu.Unlock()
	if t.told {
		m.tracer.Progress(t.Progress)
	}
}

// end ends the phase.
func (m *meter) end() {
	m.mu.Lock()
	m.whole.TotalBytes, m.whole.Done, m.whole.Elapsed = m.whole.Bytes, true, time.Since(m.began)
	whole := m.whole
	m.mu.Unlock()
	m.tracer.Progress(whole)
}
