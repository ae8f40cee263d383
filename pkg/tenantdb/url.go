package tenantdb

import (
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"
)

// errURL says no more: pgx's text quotes the string, and with it perhaps the
// password.
var errURL = errors.New("read DATABASE_URL: it is not a PostgreSQL connection string, as postgres://user:password@host:5432/database")

// parseURL reads a connection string. pgx 5.10.0 panics on one that ends within
// a quoted value, on a backslash: password='x\
func parseURL(dsn string) (config *pgxpool.Config, err error) {
	defer func() {
		if recover() != nil {
			config, err = nil, errURL
		}
	}()
	if config, err = pgxpool.ParseConfig(dsn); err != nil {
		return nil, errURL
	}
	return config, nil
}
