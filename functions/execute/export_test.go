package execute

import "time"

// What the tests need to see of the inside.
var NewVerifierOver = newVerifier

// RulesOf are the rules that the function decides by.
var RulesOf = Config.rules

// Elapsed is what a watch says that was started at these readings of the clocks.
func Elapsed(monotonic, wall time.Time) time.Duration {
	return watch{monotonic, wall.UnixNano()}.elapsed()
}
