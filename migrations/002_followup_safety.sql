-- Follow-up calls, 2 of 2: what makes the calls safe. Columns that fence stale tasks, the status
-- in_progress, the sweep's indexes, and the views that are all the functions may see.
--
-- Runs like 001 and after it, any number of times.
--
-- First, what the indexes need. A timestamp without time zone cannot be compared with one that has
-- it in an index, nor can a type other than text be lowered there.
DO $followup$
DECLARE
    wrong record;
BEGIN
    FOR wrong IN
        SELECT attname, format_type(atttypid, atttypmod) AS type, wanted
        FROM pg_attribute
        JOIN (VALUES
            ('scheduled_at', 'timestamp with time zone'), ('created_at', 'timestamp with time zone'),
            ('task_scheduled_at', 'timestamp with time zone'), ('executed_at', 'timestamp with time zone'),
            ('id', 'uuid'), ('tenant_id', 'uuid'), ('booking_type', 'character varying or text')
        ) AS needs (name, wanted) ON attname = name
        WHERE attrelid = 'lead_bookings'::regclass AND NOT attisdropped
          AND position(format_type(atttypid, NULL) IN wanted) = 0
    LOOP
        RAISE EXCEPTION 'lead_bookings.% is %, but follow-up calls need %', wrong.attname, wrong.type, wrong.wanted
            USING ERRCODE = 'datatype_mismatch';
    END LOOP;
END
$followup$;

-- The columns, marked like those of 001.
DO $followup$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('task_revision', 'integer NOT NULL DEFAULT 0', 'bumped at every enqueue; fences stale tasks'),
        ('task_reason',   'varchar(30)',                'why the task failed or was cancelled'),
        ('claimed_at',    'timestamptz',                'when the last claim committed'),
        ('planned_for',   'timestamptz',                'the scheduled_at that idempotency_key was made for'),
        ('call_id',       'text',                       'the voice agent''s name for the call')
    ) AS columns (name, definition, meaning)
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = 'lead_bookings'::regclass AND attname = wanted.name AND NOT attisdropped);
        EXECUTE format('ALTER TABLE lead_bookings ADD COLUMN %I %s', wanted.name, wanted.definition);
        EXECUTE format('COMMENT ON COLUMN lead_bookings.%I IS %L', wanted.name, wanted.meaning || ' [followup 002]');
    END LOOP;
END
$followup$;

-- Widens every check on task_status alone that refuses one of our states, whatever its name. It keeps
-- that name, and its comment keeps the old definition for the rollback.
DO $followup$
DECLARE
    old record;
    refuses boolean;
BEGIN
    FOR old IN
        SELECT c.conname AS name, pg_get_constraintdef(c.oid) AS definition,
               pg_get_expr(c.conbin, c.conrelid) AS expression, obj_description(c.oid, 'pg_constraint') AS comment
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.conrelid = 'lead_bookings'::regclass AND c.contype = 'c' AND a.attname = 'task_status'
    LOOP
        EXECUTE 'SELECT NOT bool_and(' || old.expression || ') FROM unnest(ARRAY['
            || $$'pending', 'scheduled', 'in_progress', 'executed', 'cancelled', 'failed']::varchar[]) AS state (task_status)$$
            INTO refuses;
        CONTINUE WHEN NOT refuses;
        EXECUTE format('ALTER TABLE lead_bookings DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I CHECK (task_status IN ('
            || $$'pending', 'scheduled', 'in_progress', 'executed', 'cancelled', 'failed')) NOT VALID$$, old.name);
        EXECUTE format('COMMENT ON CONSTRAINT %I ON lead_bookings IS %L', old.name,
            json_build_object('followup_002_replaced', old.definition, 'comment', old.comment));
    END LOOP;
END
$followup$;

-- The vocabulary of reasons.
DO $followup$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = 'lead_bookings'::regclass AND conname = 'followup_task_reason_check')
    THEN
        ALTER TABLE lead_bookings ADD CONSTRAINT followup_task_reason_check CHECK (task_reason IN (
            'not_started', 'rejected', 'outcome_unknown', 'expired', 'booking_cancelled', 'by_operator')) NOT VALID;
    END IF;
END
$followup$;

-- Validates both, which reads the table under a lock that stops neither readers nor writers.
DO $followup$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'lead_bookings'::regclass AND NOT convalidated
          AND (conname = 'followup_task_reason_check'
               OR obj_description(oid, 'pg_constraint') LIKE '{"followup_002_replaced"%')
    LOOP
        EXECUTE format('ALTER TABLE lead_bookings VALIDATE CONSTRAINT %I', ours.conname);
    END LOOP;
END
$followup$;

-- The sweep's indexes. Each expression is a column of the view followup_bookings below, written in
-- the same words: only then does a condition on that column find the index. Most bookings are no
-- follow-ups and stay pending for ever; the second key column keeps them out of the way. A task_status
-- of NULL, which LAD's own form of 001 allows, counts as pending.
--
-- Serves: (task_status = 'pending' OR task_status IS NULL) AND booking_kind = ANY (…) AND wanted_at …
-- with live, or with NOT live.
CREATE INDEX IF NOT EXISTS followup_pending_idx ON lead_bookings (
    tenant_id,
    (translate(lower(booking_type::text), '-_ ', '')),
    (COALESCE(status IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)),
    (LEAST(GREATEST(scheduled_at, created_at), '9999-12-31 00:00:00+00')),
    id
) WHERE task_status = 'pending' OR task_status IS NULL;

-- Serves: (task_status = 'scheduled' OR task_status = 'failed' AND task_reason = 'not_started')
-- AND live AND checked_at < …, and the same AND NOT live.
CREATE INDEX IF NOT EXISTS followup_waiting_idx ON lead_bookings (
    tenant_id,
    (COALESCE(status IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)),
    (LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00')),
    id
) WHERE task_status = 'scheduled' OR task_status = 'failed' AND task_reason = 'not_started';

-- Serves: task_status = 'in_progress' AND checked_at < …
CREATE INDEX IF NOT EXISTS followup_in_progress_idx ON lead_bookings (
    tenant_id,
    (LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00')),
    id
) WHERE task_status = 'in_progress';

-- Serves: its own condition AND wanted_at >= …: a booking that was moved to another time, or revived
-- after it was cancelled.
CREATE INDEX IF NOT EXISTS followup_changed_idx ON lead_bookings (
    tenant_id,
    (LEAST(GREATEST(scheduled_at, created_at), '9999-12-31 00:00:00+00')),
    id
) WHERE COALESCE(status IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)
    AND task_status NOT IN ('pending', 'in_progress')
    AND (task_status <> 'failed' OR task_reason IS DISTINCT FROM 'outcome_unknown')
    AND (planned_for IS DISTINCT FROM scheduled_at OR task_status = 'cancelled' AND task_reason = 'booking_cancelled');

-- The functions' role, one for all schemas of the server. Their login is made a member of it.
DO $followup$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'followup_app') THEN
        CREATE ROLE followup_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another schema's migration was faster
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role followup_app does not exist and % may not create it: have an administrator run CREATE ROLE followup_app NOLOGIN', current_user
            USING ERRCODE = 'insufficient_privilege';
END
$followup$;

-- One tenant's bookings. The barrier keeps a caller's own functions from seeing rows before the
-- filter does; the check option keeps an UPDATE from moving a row out of the tenant.
--
-- live: a call makes sense. wanted_at: a booking is historic if this is before FOLLOWUP_ACTIVE_SINCE.
-- checked_at: when somebody last saw to the call, or 1970 if nobody did. Neither is infinity, since a
-- page of the sweep ends with one of them and a client may have no such time.
CREATE OR REPLACE VIEW followup_bookings WITH (security_barrier = true) AS
SELECT
    id,
    tenant_id,
    lead_id,
    assigned_user_id,
    booking_type,
    translate(lower(booking_type::text), '-_ ', '') AS booking_kind,
    scheduled_at,
    status,
    is_deleted,
    created_at,
    metadata ->> 'agent_id' AS agent_id,
    task_status,
    task_reason,
    task_name,
    task_scheduled_at,
    task_revision,
    planned_for,
    execution_attempts,
    claimed_at,
    executed_at,
    call_id,
    last_execution_error,
    idempotency_key,
    COALESCE(status IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false) AS live,
    LEAST(GREATEST(scheduled_at, created_at), '9999-12-31 00:00:00+00') AS wanted_at,
    LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00') AS checked_at
FROM lead_bookings
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid
WITH LOCAL CHECK OPTION;

-- Whom to call, and about what: the latest note is the call's context.
CREATE OR REPLACE VIEW followup_leads WITH (security_barrier = true) AS
SELECT
    id,
    tenant_id,
    first_name,
    last_name,
    phone,
    (
        SELECT n.content FROM lead_notes n
        WHERE n.lead_id = l.id AND n.tenant_id = l.tenant_id AND n.is_deleted IS NOT TRUE
        ORDER BY n.created_at DESC NULLS LAST LIMIT 1
    ) AS latest_note
FROM leads l
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid;

-- The tenants that the sweep has to visit: those with a row in one of its indexes. It steps from
-- tenant to tenant through them and reads a few entries for each, however many rows there are.
CREATE OR REPLACE VIEW followup_tenants WITH (security_barrier = true) AS
WITH RECURSIVE step (tenant_id) AS (
    SELECT '00000000-0000-0000-0000-000000000000'::uuid
    UNION ALL
    SELECT LEAST(
        (SELECT b.tenant_id FROM lead_bookings b
         WHERE b.tenant_id > step.tenant_id AND (b.task_status = 'pending' OR b.task_status IS NULL)
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b
         WHERE b.tenant_id > step.tenant_id
           AND (b.task_status = 'scheduled' OR b.task_status = 'failed' AND b.task_reason = 'not_started')
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b
         WHERE b.tenant_id > step.tenant_id AND b.task_status = 'in_progress'
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b
         WHERE b.tenant_id > step.tenant_id
           AND COALESCE(b.status IN ('pending', 'scheduled', 'confirmed') AND b.is_deleted IS NOT TRUE AND isfinite(b.scheduled_at), false)
           AND b.task_status NOT IN ('pending', 'in_progress')
           AND (b.task_status <> 'failed' OR b.task_reason IS DISTINCT FROM 'outcome_unknown')
           AND (b.planned_for IS DISTINCT FROM b.scheduled_at OR b.task_status = 'cancelled' AND b.task_reason = 'booking_cancelled')
         ORDER BY b.tenant_id LIMIT 1))
    FROM step WHERE step.tenant_id IS NOT NULL
)
SELECT tenant_id FROM step
WHERE tenant_id IS NOT NULL AND tenant_id <> '00000000-0000-0000-0000-000000000000';

REVOKE ALL ON followup_bookings, followup_leads, followup_tenants FROM PUBLIC;

GRANT SELECT ON followup_bookings, followup_leads, followup_tenants TO followup_app;

GRANT UPDATE (
    task_status, task_reason, task_name, task_scheduled_at, task_revision, planned_for, execution_attempts,
    claimed_at, executed_at, call_id, last_execution_error, idempotency_key
) ON followup_bookings TO followup_app;

-- The schema's name is known to nobody but the database.
DO $followup$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO followup_app', current_schema());
END
$followup$;
