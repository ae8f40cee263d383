// Package tenantdb is the repository layer: the only place that holds SQL, and
// the only one that holds a pgx.Tx. What only people ask is in its operatordb, which
// the functions do not link.
//
// Every statement runs in a transaction that is bound to one tenant before it
// reads or writes anything: the tenant's schema becomes the search path, and
// the tenant's id the setting app.tenant_id, by which the views of migration
// 002 filter. Every statement filters on tenant_id besides, so each of the two
// would do alone. Both settings are local to the transaction, which makes them
// safe behind a pooler, and the statements' text is the same for every schema,
// which keeps the statement cache as small as this package.
//
// The login has no right on LAD's tables, only on the views followup_bookings,
// followup_leads and followup_tenants.
//
// tenantdb refuses to decide anything: what becomes of a row is asked of
// package followup, by way of the values and functions that callers hand in.
// It also refuses to tell an unknown tenant from a foreign booking.
package tenantdb
