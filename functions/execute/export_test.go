package execute

// What the tests need to see of the inside.
var (
	NewVerifierOver = newVerifier
	PathBookingID   = pathBookingID
)
