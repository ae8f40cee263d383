package execute

// What the tests need to see of the inside.
var (
	NewVerifierOver = newVerifier
	PathBookingID   = pathBookingID
)

// RulesOf are the rules that the function decides by.
var RulesOf = Config.rules
