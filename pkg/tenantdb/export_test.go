package tenantdb

import "github.com/jackc/pgx/v5/pgxpool"

// What the tests need to see of the inside.
var (
	OpenWith   = open
	ConcernSQL = concernSQL
)

// LockLeadSQL is what admissions of one lead wait for.
const LockLeadSQL = lockLeadSQL

// Pool is the pool.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }
