package execute

import "testing"

func TestTheSecondDeliveryMakesNoCall(t *testing.T) {
	calls := 0
	h := Handler{Call: func() { calls++ }}
	h.Handle()
	h.Handle()
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}
