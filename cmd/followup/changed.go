package main

import "lad.internal/followup/pkg/followup"

// changeView is what became of one booking, for machines.
type changeView struct {
	BookingID string `json:"bookingId"`
	Was       string `json:"was"`    // as failed/rejected
	Result    string `json:"result"` // done, would, refused, moved, failed
	Detail    string `json:"detail,omitempty"`
	// Booking is the booking as it is now.
	Booking bookingView `json:"booking"`
}

func (it item) booking() followup.Booking {
	if it.now != nil {
		return *it.now
	}
	return it.seen
}

func (w *work) views() []changeView {
	views := make([]changeView, len(w.items))
	for i, it := range w.items {
		views[i] = changeView{
			BookingID: it.seen.BookingID.String(), Was: standing(it.seen.Task),
			Result: it.result, Detail: it.detail, Booking: viewOf(w.Rules, it.booking()),
		}
	}
	return views
}

func (w *work) rows() [][]string {
	rows := make([][]string, len(w.items))
	for i, it := range w.items {
		b := it.booking()
		rows[i] = []string{
			b.BookingID.String(), moment(due(w.Rules, b)), standing(it.seen.Task), standing(b.Task),
			it.result, orDash(it.detail),
		}
	}
	return rows
}
