// Package lad stands in for LAD's backend: the API that books calls with leads, and the publisher of
// booking events.
//
// It is LAD and not part of the product. So it logs in as the owner of LAD's tables and has SQL of
// its own, which writes what LAD writes. As in LAD the row is committed first; an event that cannot
// be published then fails no request.
//
// Callers name a booking's time as an instant or, with wall, as it is to be stored. Both of LAD's
// writers store the wall clock of the row's timezone: the voice service, in Python, writes it without
// a zone; the booking page, through Node, appends a Z that is not meant. In a column with time zone
// either is the UTC reading. The stand-in reads GST, UTC and IANA names, by itself: it is what the
// product's reading is checked against.
//
// It refuses what LAD could not mean: malformed ids and times, unknown statuses, and another
// tenant's bookings and leads. It authenticates nobody; the tenant is whoever X-Tenant-Id names.
package lad
