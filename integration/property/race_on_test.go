//go:build race

package property_test

// runs are fewer under the race detector, which makes each take many times as
// long.
const runs = 400
