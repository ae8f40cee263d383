package tenantdb

import "time"

// MaxSchemas is how many schemas a connection may have served and be used again.
const MaxSchemas = maxSchemas

// RegistryClock replaces the clock by which the registry's answers age.
func (db *DB) RegistryClock(now func() time.Time) { db.tenants.(*registry).now = now }
