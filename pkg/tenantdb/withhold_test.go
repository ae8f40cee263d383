package tenantdb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestAnErrorDoesNotQuoteTheRow(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.LAD(t, tenantdbtest.TenantA, `CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		CASE NEW.call_id
		WHEN 'cast' THEN PERFORM 'Zebulon'::uuid;
		WHEN 'raise' THEN RAISE EXCEPTION 'no more calls to Zebulon' USING DETAIL = 'Zebulon', HINT = 'Zebulon';
		WHEN 'a state of its own' THEN RAISE EXCEPTION 'no more calls to Zebulon' USING ERRCODE = '23514';
		WHEN 'a state of the session' THEN RAISE EXCEPTION 'no more calls to Zebulon' USING ERRCODE = '57014';
		WHEN 'a name' THEN EXECUTE 'SELECT "Zebulon"';
		WHEN 'a constraint' THEN RAISE EXCEPTION 'Zebulon' USING ERRCODE = '23505', CONSTRAINT = 'Zebulon';
		WHEN 'a check' THEN NEW.call_result := 'Zebulon';
		ELSE NULL;
		END CASE;
		RETURN NEW; END $$`)
	f.LAD(t, tenantdbtest.TenantA, `CREATE TRIGGER complain BEFORE UPDATE ON lead_bookings FOR EACH ROW EXECUTE FUNCTION complain()`)
	f.LAD(t, tenantdbtest.TenantA, `ALTER TABLE lead_bookings ADD CONSTRAINT nobody CHECK (call_result <> 'Zebulon')`)
	ref := f.Insert(t, dueNow())
	for fault, want := range map[string]string{
		"cast": "SQLSTATE 22P02", "raise": "SQLSTATE P0001", "a state of its own": "SQLSTATE 23514",
		"a check": `violates constraint "nobody" (SQLSTATE 23514)`, "a state of the session": "SQLSTATE 57014",
		"a name": "SQLSTATE 42703", "a constraint": "SQLSTATE 23505",
	} {
		next := claim
		next.CallID = fault
		_, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.Dial, next))
		var pg *pgconn.PgError
		if err == nil || strings.Contains(err.Error(), "Zebulon") || !strings.Contains(err.Error(), want) || !errors.As(err, &pg) {
			t.Errorf("%s: %v, want one with %s", fault, err, want)
		}
	}
}

// What PostgreSQL says of our own statement, session and rights is what an
// operator needs.
func TestAnErrorSaysWhatIsWrongWithTheSchema(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	f.LAD(t, tenantdbtest.TenantA, `DROP VIEW followup_bookings CASCADE`)
	if _, _, err := f.DB.Booking(t.Context(), ref); err == nil || !strings.Contains(err.Error(), `relation "followup_bookings" does not exist (SQLSTATE 42P01)`) {
		t.Errorf("error %v", err)
	}
}
