package followup

import "testing"

func TestResembles(t *testing.T) {
	t.Parallel()
	for bookingType, want := range map[string]bool{
		"folow_up": true, "Follow Upp": true, "fllowup": true, "sceduled call": true, "scheduled_cal": true,
		"follow_up": false, "Follow-Up": false, // which are follow-ups
		"meeting": false, "": false, "call": false, "demo": false, "folow": false,
	} {
		if got := standard().Resembles(bookingType); got != want {
			t.Errorf("%q: %v", bookingType, got)
		}
	}
	short := standard()
	short.BookingTypes = []string{"call"}
	if short.Resembles("ball") {
		t.Error("a short word resembles everything")
	}
}
