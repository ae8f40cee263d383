-- Another copy of LAD's schema.
ALTER TABLE lead_bookings
    ALTER COLUMN created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC',
    ALTER COLUMN updated_at TYPE timestamp USING updated_at AT TIME ZONE 'UTC',
    ALTER COLUMN timezone SET DEFAULT 'UTC';
