package engine

import (
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// TestALookIsNotTakenForARepeatedOne where a transaction has written between two of them, and nothing was flushed.
func TestALookIsNotTakenForARepeatedOne(t *testing.T) {
	seen := format.Visibility{Xmin: 7, Xmax: 9}
	f := newFormTrail(nil)
	f.look(&format.Forms{LSN: 10, Until: 20, Visibility: seen, Complete: true})
	if f.later(&format.Forms{LSN: 10, After: 20, Until: 20, Visibility: seen}) {
		t.Error("a repeated look is taken for another one")
	}
	if !f.later(&format.Forms{LSN: 10, After: 20, Until: 30, Visibility: seen}) {
		t.Error("another look is taken for a repeated one")
	}
}
