//go:build race

package followup

// modelRaced: the race detector is on, and a search takes ten times as long.
const modelRaced = true
