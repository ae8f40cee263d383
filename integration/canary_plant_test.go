package integration_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// plantSQL makes every lead the one that is watched for, and writes them into the
// notes of every booking. It also lets LAD's table break down: a booking whose
// metadata has a fault cannot become what "at" says, and PostgreSQL's complaint
// quotes the row.
const plantSQL = `
CREATE FUNCTION plant_lead() RETURNS trigger LANGUAGE plpgsql AS $plant$
BEGIN
	NEW.first_name := '` + firstName + `';
	NEW.last_name := '` + lastName + `';
	NEW.email := '` + mailCanary + `';
	IF NEW.phone LIKE '+1202555%' THEN -- made up by LAD's stand-in
		NEW.phone := '` + numberCanary + `';
	END IF;
	RETURN NEW;
END $plant$;
CREATE TRIGGER plant_lead BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION plant_lead();

CREATE FUNCTION plant_booking() RETURNS trigger LANGUAGE plpgsql AS $plant$
BEGIN
	NEW.notes := 'ring ` + firstName + ` ` + lastName + ` at ` + numberCanary + ` with ` + tokenCanary + `';
	RETURN NEW;
END $plant$;
CREATE TRIGGER plant_booking BEFORE INSERT ON lead_bookings FOR EACH ROW EXECUTE FUNCTION plant_booking();

CREATE FUNCTION break_down() RETURNS trigger LANGUAGE plpgsql AS $plant$
BEGIN
	CASE OLD.metadata ->> 'fault'
	WHEN 'raised' THEN
		RAISE EXCEPTION 'cannot store: %', OLD.notes USING DETAIL = OLD.notes, HINT = OLD.notes;
	WHEN 'cast' THEN
		PERFORM OLD.notes::uuid;
	WHEN 'checked' THEN
		NEW.call_result := 'broken ` + firstName + ` ` + lastName + `';
	END CASE;
	RETURN NEW;
END $plant$;
CREATE TRIGGER break_down BEFORE UPDATE ON lead_bookings FOR EACH ROW
	WHEN (NEW.task_status = OLD.metadata ->> 'at' AND NEW.task_status IS DISTINCT FROM OLD.task_status)
	EXECUTE FUNCTION break_down();
ALTER TABLE lead_bookings ADD CHECK (call_result NOT LIKE 'broken%');`

// plant prepares a world before anything is booked in it.
func (w *world) plant(ctx context.Context) error {
	for _, tenant := range w.Tenants {
		if err := asLAD(ctx, tenant.DatabaseURL, tenant.Schema, plantSQL); err != nil {
			return fmt.Errorf("plant canaries: %w", err)
		}
	}
	return nil
}

// repair takes the fault out of a booking.
func (w *world) repair(t testing.TB, tenant int, booking string) {
	t.Helper()
	if err := asLAD(t.Context(), w.Tenants[tenant].DatabaseURL, w.Tenants[tenant].Schema,
		"UPDATE lead_bookings SET metadata = NULL WHERE id = $1", booking); err != nil {
		t.Fatal(err)
	}
}

// asLAD runs SQL as the owner of a tenant's tables.
func asLAD(ctx context.Context, url, schema, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}
