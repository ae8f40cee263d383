package tenantdb

// The statements that every call runs.
const (
	SelectBookingSQL = selectBookingSQL
	LockBookingSQL   = lockBookingSQL
	SelectLeadSQL    = selectLeadSQL
	FinishSQL        = finishSQL
)
