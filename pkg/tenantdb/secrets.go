package tenantdb

import "github.com/jackc/pgx/v5"

// Secrets are the exact values that must never be printed: the connection
// string and the password in it.
func (c Config) Secrets() []string {
	dsn := c.URL.Reveal()
	if dsn == "" {
		return nil
	}
	parsed, err := pgx.ParseConfig(dsn)
	if err != nil || parsed.Password == "" {
		return []string{dsn}
	}
	return []string{dsn, parsed.Password}
}
