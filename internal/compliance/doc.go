// Package compliance checks LAD's rules on this repository itself: no schema
// name in any SQL, a tenant filter on every statement, handlers that are
// idempotent, and nothing printed past the log. Command compliance runs it.
//
// SQL is judged by PostgreSQL's own parser and Go by its own type checker, so
// that comments, aliases, quoting, constants put together from parts, and the
// nesting of queries make no difference. What the two cannot read counts as a
// violation and not as innocent: SQL that is put together at run time, an
// EXECUTE of something unknown, a statement that does not parse. Exceptions are
// listed, one by one with a reason, in [LAD]; one that no longer excuses
// anything is a violation too.
//
// A tenant filter is an equality between a relation's own tenant_id and what
// names the caller's tenant (a parameter; in a view the setting app.tenant_id),
// or the tenant_id of a relation that is itself filtered. It must hold for every
// row: under OR or NOT, or in the ON of an outer join for the side that is kept,
// it does not. Each level of a query filters for itself; that the condition of
// an outer query could be pushed down into a subquery does not count.
//
// The package refuses to judge what is not the product: tests and the packages
// that only tests may import (they import testing), the local stack and LAD's
// tables, which are LAD, and itself. It never changes anything.
package compliance
