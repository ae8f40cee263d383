// Package execute is a fixture that breaks no rule.
package execute

import "sync"

// Handler makes one call, however often it is asked.
type Handler struct {
	once sync.Once
	Call func()
}

// Handle handles a delivery.
func (h *Handler) Handle() { h.once.Do(h.Call) }
