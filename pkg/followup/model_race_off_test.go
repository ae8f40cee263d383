//go:build !race

package followup

// modelRaced: the race detector is on.
const modelRaced = false
