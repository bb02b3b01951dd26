//go:build !race

package fold

const manyRows = 2_000_000
