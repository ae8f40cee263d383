package tenantdb_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// Conditions that tell what they have seen, or fail over it, and so would give a
// foreign row away if they were asked about it. None fails over a row of the
// tenant's own.
var tellTales = map[string]string{
	"a cast that fails":           `SELECT FROM followup_leads WHERE first_name::int > 0`,
	"a division by zero":          `SELECT FROM followup_leads WHERE 1 / (CASE WHEN tenant_id = $1 THEN 1 ELSE 0 END) = 1`,
	"a function, bookings":        `SELECT FROM followup_bookings WHERE pg_temp.tell(tenant_id)`,
	"a function, leads":           `SELECT FROM followup_leads WHERE pg_temp.tell(tenant_id)`,
	"a function in a join":        `SELECT FROM followup_tenants t JOIN followup_leads l ON pg_temp.tell(l.tenant_id)`,
	"a function in an UPDATE":     `UPDATE followup_bookings SET call_id = 'x' WHERE pg_temp.tell(tenant_id)`,
	"a function in its join":      `UPDATE followup_bookings b SET call_id = 'x' FROM followup_leads l WHERE l.id = b.lead_id AND pg_temp.tell(l.tenant_id)`,
	"an operator":                 `SELECT FROM followup_leads WHERE tenant_id OPERATOR(pg_temp.===) tenant_id`,
	"an operator, when estimated": `EXPLAIN SELECT FROM followup_leads WHERE first_name OPERATOR(pg_temp.~~~~) 'x'`,
}

// informers are what anybody may create for himself.
const informers = `
CREATE FUNCTION pg_temp.tell(tenant uuid) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS
	$$ BEGIN IF tenant <> '@' THEN RAISE 'told of %', tenant; END IF; RETURN true; END $$;
CREATE FUNCTION pg_temp.tell(tenant uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE COST 0.0000001 AS 'SELECT pg_temp.tell($1)';
CREATE OPERATOR pg_temp.=== (FUNCTION = pg_temp.tell, LEFTARG = uuid, RIGHTARG = uuid);
CREATE FUNCTION pg_temp.tell_name(name varchar, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS
	$$ BEGIN IF name <> '7' THEN RAISE 'told of %', name; END IF; RETURN true; END $$;
CREATE OPERATOR pg_temp.~~~~ (FUNCTION = pg_temp.tell_name, LEFTARG = varchar, RIGHTARG = text, RESTRICT = eqsel);`

// The barrier: only conditions that are known to tell nothing are asked about a
// row before the view's own. Without it, as the second run shows, each of these
// would have been told of a foreign row.
func TestNoConditionIsAskedAboutAForeignRow(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	// Foreign rows first, so that nothing else is met before them.
	for range 20 {
		f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB, Lead: tenantdbtest.Lead{FirstName: "Canary"}})
	}
	f.Insert(t, tenantdbtest.Row{Lead: tenantdbtest.Lead{FirstName: "7"}})
	f.LAD(t, tenantdbtest.TenantA, `ANALYZE leads, lead_bookings`)
	// Without it the tenant's index would be asked first, whatever the view says.
	f.LAD(t, tenantdbtest.TenantA, `DROP INDEX idx_lead_bookings_tenant`)
	db := f.Login(t, "")
	ask := func(sql string) error {
		return inTenantA(t, db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), strings.ReplaceAll(informers, "@", tenantdbtest.TenantA.String())); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), `SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off`); err != nil {
				t.Fatal(err)
			}
			_, err := tx.Exec(t.Context(), sql, tenantA(sql)...)
			return err
		})
	}
	for name, sql := range tellTales {
		if err := ask(sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.LAD(t, tenantdbtest.TenantA, `ALTER VIEW followup_bookings SET (security_barrier = false)`)
	f.LAD(t, tenantdbtest.TenantA, `ALTER VIEW followup_leads SET (security_barrier = false)`)
	for name, sql := range tellTales {
		if err := ask(sql); err == nil {
			t.Errorf("%s is told nothing even without the barrier, and so proves nothing", name)
		}
	}
}
