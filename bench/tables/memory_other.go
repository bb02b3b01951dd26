//go:build !linux

package tables

import "runtime"

func forgetPeak() {}

// peak is what Go took from the system, where the system does not tell more.
func peak() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
