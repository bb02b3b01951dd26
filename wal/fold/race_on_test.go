//go:build race

package fold

// manyRows is fewer where every memory access is watched, which takes 30 times as long.
const manyRows = 200_000
