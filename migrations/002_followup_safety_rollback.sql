-- Takes away what 002 has added. Stop the functions first: a call in progress cannot be recorded
-- any more. The role followup_app stays, since it belongs to the whole server.
--
-- Before the columns go, what a person needs to know of unsettled calls is kept in words. Without
-- in_progress these calls count as failed, and nothing repeats them by itself.
DO $followup$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'lead_bookings'::regclass AND attname = 'task_reason' AND NOT attisdropped)
    THEN
        UPDATE lead_bookings
        SET task_status = 'failed',
            last_execution_error = left(concat_ws('. ',
                format('002 was rolled back while the outcome of attempt %s, claimed at %s, was unknown: ask the voice agent whether the call was made',
                    execution_attempts, COALESCE(claimed_at::text, 'an unknown time')),
                'call id ' || call_id,
                last_execution_error), 500)
        WHERE task_status = 'in_progress' OR task_status = 'failed' AND task_reason = 'outcome_unknown';
    END IF;
END
$followup$;

-- Back to the checks that 002 replaced. A row that became in_progress since the statement above would
-- be refused for ever.
DO $followup$
DECLARE
    widened record;
BEGIN
    FOR widened IN
        SELECT conname AS name, obj_description(oid, 'pg_constraint')::json AS was
        FROM pg_constraint
        WHERE conrelid = 'lead_bookings'::regclass
          AND obj_description(oid, 'pg_constraint') LIKE '{"followup_002_replaced"%'
    LOOP
        EXECUTE format('ALTER TABLE lead_bookings DROP CONSTRAINT %I', widened.name);
        UPDATE lead_bookings SET task_status = 'failed' WHERE task_status = 'in_progress';
        EXECUTE format('ALTER TABLE lead_bookings ADD CONSTRAINT %I %s NOT VALID', widened.name,
            regexp_replace(widened.was ->> 'followup_002_replaced', ' NOT VALID$', ''));
        EXECUTE format('COMMENT ON CONSTRAINT %I ON lead_bookings IS %L', widened.name, widened.was ->> 'comment');
    END LOOP;
END
$followup$;

-- Validates them, under a lock that stops neither readers nor writers.
DO $followup$
DECLARE
    restored record;
BEGIN
    FOR restored IN
        SELECT c.conname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.conrelid = 'lead_bookings'::regclass AND c.contype = 'c' AND a.attname = 'task_status' AND NOT c.convalidated
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE lead_bookings VALIDATE CONSTRAINT %I', restored.conname);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING '% stays NOT VALID, as old rows violate it', restored.conname;
        END;
    END LOOP;
END
$followup$;

DROP FUNCTION IF EXISTS followup_pace(timestamptz, timestamptz);

-- The views and indexes. Anything else under one of their names is not ours.
DO $followup$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'INDEX' END AS kind, relname
        FROM pg_class
        WHERE oid IN (
            SELECT to_regclass('followup_' || name) FROM unnest(ARRAY['bookings', 'leads', 'agents', 'numbers', 'call_log', 'tenants',
                'pending_idx', 'untimed_idx', 'waiting_idx', 'in_progress_idx', 'changed_idx', 'rule_idx', 'calls_idx', 'claimed_idx', 'paced_idx']) AS name)
          AND relkind = CASE WHEN relname LIKE '%_idx' THEN 'i' ELSE 'v' END
    LOOP
        EXECUTE format('DROP %s %I', ours.kind, ours.relname);
    END LOOP;
END
$followup$;

ALTER TABLE lead_bookings DROP CONSTRAINT IF EXISTS followup_task_reason_check;

-- The columns that are ours.
DO $followup$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'lead_bookings'::regclass AND attnum > 0 AND NOT attisdropped
          AND col_description(attrelid, attnum) LIKE '%[followup 002]'
    LOOP
        EXECUTE format('ALTER TABLE lead_bookings DROP COLUMN %I', ours.attname);
    END LOOP;
END
$followup$;

-- The right to look into the schema.
DO $followup$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'followup_app') THEN
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM followup_app', current_schema());
    END IF;
END
$followup$;
