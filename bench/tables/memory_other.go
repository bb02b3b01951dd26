//go:build !linux

package tables

import (
	"runtime"
	"time"
)

// What only Linux tells is zero elsewhere.
func forgetPeak()                    {}
func ownCPU() time.Duration          { return 0 }
func serverCPU(string) time.Duration { return 0 }

// peak is what Go took from the system.
func peak() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
