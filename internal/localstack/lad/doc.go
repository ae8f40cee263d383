// Package lad stands in for LAD's backend: the API that books calls with leads, and the publisher of
// booking events.
//
// It is LAD and not part of the product. So it logs in as the owner of LAD's tables and has SQL of
// its own, which writes what LAD writes and never a task column. As in LAD the row is committed
// first; an event that cannot be published then fails no request.
//
// It refuses what LAD could not mean: malformed ids and times, unknown statuses, and another
// tenant's bookings and leads. It authenticates nobody; the tenant is whoever X-Tenant-Id names.
package lad
