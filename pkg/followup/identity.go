package followup

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Key is a call's identity: followup:{tenantId}:{bookingId}:{scheduled_at}. It
// is "" for a booking without a time. LAD's own scheduler has written such keys
// already, so the time is printed as JavaScript's Date.prototype.toISOString
// prints it.
func (b Booking) Key() string {
	return b.keyFor(b.ScheduledAt)
}

func (b Booking) keyFor(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "followup:" + b.TenantID.String() + ":" + b.BookingID.String() + ":" + isoString(at)
}

// isoString prints t as toISOString does (ECMA-262, "Date Time String Format"):
// UTC, milliseconds truncated, 'Z', and a sign with six digits for years
// outside 0 to 9999.
func isoString(t time.Time) string {
	t = t.UTC()
	return year(t) + t.Format("-01-02T15:04:05.000Z")
}

// TaskID is the id of the Cloud Task that carries the call of this key at this
// revision. The key is hashed because Cloud Tasks slows down on sequential
// prefixes; the revision is part of the id because the name of a finished or
// deleted task stays blocked for up to 24 hours, so a booking moved from A to B
// and back to A would otherwise never be called.
func TaskID(key string, revision int) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + "-r" + strconv.Itoa(revision)
}
