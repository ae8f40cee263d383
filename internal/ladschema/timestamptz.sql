-- The columns as an entity document of LAD's has them: what was the wall clock is now the UTC reading.
-- date_trunc of such a column depends on the session's time zone, so that no index can be made of it.
DROP INDEX idx_lead_bookings_minute;

ALTER TABLE lead_bookings
    ALTER COLUMN scheduled_at TYPE timestamptz USING scheduled_at AT TIME ZONE 'UTC',
    ALTER COLUMN buffer_until TYPE timestamptz USING buffer_until AT TIME ZONE 'UTC';
