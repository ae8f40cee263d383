-- Takes away what 001 has added, and with it what those columns hold. What LAD had before stays:
-- only columns and checks whose comment says that 001 made them are dropped. Roll 002 back first.
DROP INDEX IF EXISTS followup_idempotency_key_idx;

-- The check, if it is ours.
DO $followup$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 'lead_bookings'::regclass AND conname = 'chk_task_status'
          AND obj_description(oid, 'pg_constraint') = '[followup 001]')
    THEN
        ALTER TABLE lead_bookings DROP CONSTRAINT chk_task_status;
    END IF;
END
$followup$;

-- The columns that are ours.
DO $followup$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'lead_bookings'::regclass AND attnum > 0 AND NOT attisdropped
          AND col_description(attrelid, attnum) LIKE '%[followup 001]'
    LOOP
        EXECUTE format('ALTER TABLE lead_bookings DROP COLUMN %I', ours.attname);
    END LOOP;
END
$followup$;
