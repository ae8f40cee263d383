// Package pgx is a fixture: as much of the driver as the checks look at.
package pgx

import "context"

// Identifier is a name, its schema first.
type Identifier []string

// Sanitize quotes it.
func (i Identifier) Sanitize() string { return i[0] }

// NamedArgs are arguments by their names.
type NamedArgs map[string]any

// Config is a connection's.
type Config struct{ RuntimeParams map[string]string }

// Conn is a connection.
type Conn struct{ Config Config }

// Exec runs SQL.
func (c *Conn) Exec(ctx context.Context, sql string, args ...any) error { return nil }

// CopyFrom copies.
func (c *Conn) CopyFrom(ctx context.Context, table Identifier, columns []string) error { return nil }
