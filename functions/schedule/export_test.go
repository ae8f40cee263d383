package schedule

import "time"

// SetClock has the handler measure ticks' ages and tenants' turns by now.
func (h *Handler) SetClock(now func() time.Time) { h.now = now }
