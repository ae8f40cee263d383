package tenantdb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// A statement that lacks the tenant's filter, as a slip of the pen would leave
// it, in a transaction of tenant A's. Each gives the ids of the tenants whose rows
// it has got hold of, as text.
var brokenReads = map[string]string{
	"a bare SELECT":            `SELECT tenant_id FROM followup_bookings`,
	"of leads":                 `SELECT tenant_id FROM followup_leads`,
	"a condition always true":  `SELECT tenant_id FROM followup_bookings WHERE tenant_id = $1 OR true`,
	"another tenant's filter":  `SELECT tenant_id FROM followup_bookings WHERE tenant_id <> $1 UNION ALL SELECT $1`,
	"a join on nothing":        `SELECT unnest(ARRAY[b.tenant_id, l.tenant_id]) FROM followup_bookings b CROSS JOIN followup_leads l`,
	"a join on the lead":       `SELECT l.tenant_id FROM followup_bookings b JOIN followup_leads l ON l.id = b.lead_id`,
	"an outer join":            `SELECT COALESCE(b.tenant_id, l.tenant_id) FROM followup_bookings b FULL JOIN followup_leads l ON l.id = b.lead_id`,
	"a join with the tenants":  `SELECT b.tenant_id FROM followup_tenants t JOIN followup_bookings b ON b.tenant_id = t.tenant_id`,
	"a lateral subquery":       `SELECT b.tenant_id FROM followup_tenants t, LATERAL (SELECT * FROM followup_bookings b WHERE b.tenant_id = t.tenant_id) b`,
	"a CTE":                    `WITH all_of_them AS MATERIALIZED (SELECT * FROM followup_bookings) SELECT tenant_id FROM all_of_them`,
	"a recursive CTE":          `WITH RECURSIVE r AS (SELECT tenant_id, 1 AS n FROM followup_bookings UNION SELECT b.tenant_id, n + 1 FROM r, followup_bookings b WHERE n < 3) SELECT tenant_id FROM r`,
	"a union":                  `SELECT tenant_id FROM followup_bookings UNION ALL SELECT tenant_id FROM followup_leads`,
	"an aggregate":             `SELECT tenant_id FROM followup_bookings GROUP BY tenant_id`,
	"a window":                 `SELECT first_value(tenant_id) OVER (ORDER BY tenant_id DESC) FROM followup_bookings`,
	"a lock":                   `SELECT tenant_id FROM followup_bookings FOR UPDATE`,
	"a lock that skips":        `SELECT tenant_id FROM followup_bookings FOR NO KEY UPDATE SKIP LOCKED`,
	"an UPDATE of all":         `UPDATE followup_bookings SET task_reason = 'expired' RETURNING tenant_id`,
	"an UPDATE with a join":    `UPDATE followup_bookings b SET call_id = l.first_name FROM followup_leads l WHERE l.id = b.lead_id RETURNING b.tenant_id`,
	"an UPDATE of all tenants": `UPDATE followup_bookings b SET call_id = 'x' FROM followup_tenants t WHERE b.tenant_id = t.tenant_id RETURNING b.tenant_id`,
	"an UPDATE in a CTE":       `WITH changed AS (UPDATE followup_bookings SET task_revision = 9 RETURNING *) SELECT tenant_id FROM changed`,
	"a temporary copy":         `WITH copy AS (SELECT b.*, l.phone FROM followup_bookings b, followup_leads l) SELECT tenant_id FROM copy`,
	"the schema spelt out":     `SELECT tenant_id FROM lad_dev.followup_bookings`,
	"another tenant's schema":  `SELECT tenant_id FROM tenant_b.followup_bookings UNION ALL SELECT tenant_id FROM tenant_b.followup_leads UNION ALL SELECT $1`,
}

// scene is a shared schema with bookings of two tenants and one more tenant in a
// schema of its own, and a login that is a member of followup_app.
func scene(t *testing.T) (*tenantdbtest.Fixture, *tenantdb.DB) {
	t.Helper()
	f := tenantdbtest.New(t)
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB} {
		for range 2 {
			f.Insert(t, tenantdbtest.Row{Tenant: tenant, Lead: tenantdbtest.Lead{FirstName: "Canary of " + tenant.String(), Phone: "+4915112345678"}})
		}
	}
	f.Config.Schema = tenantdbtest.SchemaB
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
	f.Config.Schema = tenantdbtest.SharedSchema
	return f, f.Login(t, "")
}

var errUndo = errors.New("the test rolls back")

// inTenantA uses a transaction of tenant A's, and rolls it back.
func inTenantA(t *testing.T, db *tenantdb.DB, use func(pgx.Tx) error) error {
	t.Helper()
	var failed error
	err := db.InTenantTx(t.Context(), tenantdbtest.TenantA, func(tx pgx.Tx) error {
		failed = use(tx)
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return failed
	}
	return err
}

// tryAsA runs a statement in a transaction of tenant A's, whose id is $1 if it asks
// for it, and rolls it back.
func tryAsA(t *testing.T, db *tenantdb.DB, sql string) error {
	t.Helper()
	return inTenantA(t, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql, tenantA(sql)...)
		return err
	})
}

func tenantA(sql string) []any {
	if strings.Contains(sql, "$1") {
		return []any{tenantdbtest.TenantA}
	}
	return nil
}

func TestAStatementWithoutItsTenantFilterGetsHoldOfNothingForeign(t *testing.T) {
	t.Parallel()
	_, db := scene(t)
	for name, sql := range brokenReads {
		var tenants []uuid.UUID
		err := inTenantA(t, db, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), sql, tenantA(sql)...)
			if err != nil {
				return err
			}
			tenants, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			return err
		})
		slices.SortFunc(tenants, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
		if tenants = slices.Compact(tenants); err != nil || !slices.Equal(tenants, []uuid.UUID{tenantdbtest.TenantA}) {
			t.Errorf("%s gets hold of rows of %v, error %v", name, tenants, err)
		}
	}
}

// What is not filtered by tenant says nothing but which tenants there are.
func TestTheViewOfTenantsHasNoOtherColumn(t *testing.T) {
	t.Parallel()
	_, db := scene(t)
	var columns []string
	var tenants int
	err := inTenantA(t, db, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = 'followup_tenants'::regclass AND attnum > 0),
			(SELECT count(*) FROM followup_tenants)`).Scan(&columns, &tenants)
	})
	if err != nil || !slices.Equal(columns, []string{"tenant_id"}) || tenants != 2 {
		t.Errorf("columns %v, %d tenants, error %v", columns, tenants, err)
	}
}

// The slip that the commit makes last: what a broken UPDATE has stored.
func TestAnUpdateOfEverythingChangesNothingForeign(t *testing.T) {
	t.Parallel()
	f, db := scene(t)
	err := db.InTenantTx(t.Context(), tenantdbtest.TenantA, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE followup_bookings SET call_id = 'changed'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var own, foreign int
	err = f.Owner.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE tenant_id = $1), count(*) FILTER (WHERE tenant_id <> $1)
		FROM lad_dev.lead_bookings WHERE call_id = 'changed'`, tenantdbtest.TenantA).Scan(&own, &foreign)
	if err != nil || own != 2 || foreign != 0 {
		t.Errorf("%d own and %d foreign rows were changed, error %v", own, foreign, err)
	}
}
