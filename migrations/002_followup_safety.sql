-- Follow-up calls, 2 of 2: columns that fence stale tasks and keep a booking's instant, the status
-- in_progress, the sweep's indexes, and the views that are all the functions may see. Runs like 001 and
-- after it, any number of times. First, what both need of LAD's tables: the same block as in 001.
DO $followup$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s is %s, but follow-up calls need %s', name, COALESCE(format_type(atttypid, NULL), 'missing'), types), E'\n')
    INTO wrong
    FROM (VALUES
        ('LAD', 'uuid', 'lead_bookings.id lead_bookings.tenant_id lead_bookings.lead_id lead_bookings.assigned_user_id'),
        ('LAD', 'uuid', 'leads.id leads.tenant_id lead_notes.lead_id lead_notes.tenant_id'),
        ('LAD', 'character varying or text', 'lead_bookings.booking_type lead_bookings.booking_source lead_bookings.timezone'),
        ('LAD', 'character varying or text', 'lead_bookings.status leads.first_name leads.last_name leads.phone lead_notes.content'),
        ('LAD', 'timestamp without time zone or timestamp with time zone', 'lead_bookings.scheduled_at lead_bookings.created_at'),
        ('LAD', 'boolean', 'lead_bookings.is_deleted'),
        ('LAD', 'jsonb', 'lead_bookings.metadata'),
        ('voice', 'uuid', 'voice_agents.tenant_id voice_agent_numbers.tenant_id voice_call_logs.tenant_id voice_call_logs.lead_id'),
        ('voice', 'timestamp without time zone or timestamp with time zone', 'voice_call_logs.started_at'),
        ('voice', 'jsonb or json', 'voice_call_logs.metadata'),
        ('us', 'timestamp with time zone', 'lead_bookings.task_scheduled_at lead_bookings.executed_at lead_bookings.claimed_at'),
        ('us', 'timestamp with time zone', 'lead_bookings.planned_for lead_bookings.call_at'),
        ('us', 'timestamp without time zone', 'lead_bookings.call_at_wall'),
        ('us', 'integer or bigint', 'lead_bookings.execution_attempts lead_bookings.task_revision lead_bookings.call_at_rule'),
        ('us', 'character varying or text', 'lead_bookings.task_name lead_bookings.task_status lead_bookings.task_reason'),
        ('us', 'character varying or text', 'lead_bookings.last_execution_error lead_bookings.idempotency_key lead_bookings.call_id lead_bookings.call_at_zone')
    ) AS needs (maker, types, names)
    CROSS JOIN unnest(string_to_array(names, ' ')) AS name
    LEFT JOIN pg_attribute ON attrelid = to_regclass(split_part(name, '.', 1)) AND attname = split_part(name, '.', 2) AND NOT attisdropped
    WHERE CASE WHEN attname IS NOT NULL THEN format_type(atttypid, NULL) <> ALL (string_to_array(types, ' or '))
        ELSE maker = 'LAD' OR maker = 'voice' AND to_regclass(split_part(name, '.', 1)) IS NOT NULL END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'datatype_mismatch';
    END IF;
END
$followup$;

-- The columns, marked like those of 001.
DO $followup$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('task_revision', 'integer NOT NULL DEFAULT 0', 'bumped at every enqueue; fences stale tasks'),
        ('task_reason',   'varchar(30)',                'why the task failed, was cancelled or has to wait'),
        ('claimed_at',    'timestamptz',                'when the last claim committed'),
        ('planned_for',   'timestamptz',                'the instant that idempotency_key was made for'),
        ('call_id',       'text',                       'the voice agent''s name for the call'),
        ('called_at',     'timestamptz',                'when the call that was made was claimed; LAD may write executed_at over'),
        ('call_at',       'timestamptz',                'the instant that scheduled_at means; NULL: never computed, or timezone cannot be read'),
        ('call_at_wall',  'timestamp',                  'the wall clock of scheduled_at that call_at was computed from'),
        ('call_at_zone',  'text',                       'the timezone that call_at was computed from; NULL: never computed'),
        ('call_at_rule',  'integer',                    'hash of the settings that call_at was computed with')
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
            'not_started', 'rejected', 'outcome_unknown', 'expired', 'booking_cancelled', 'by_operator',
            'lead_deleted', 'lead_archived', 'do_not_call', 'duplicate', 'call_limit', 'unknown_timezone',
            'backdated', 'misconfigured', 'paced', 'rate_limited', 'outside_hours')) NOT VALID;
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
-- the same words: only then does a condition on that column find the index. Nothing in them can raise,
-- whatever LAD writes, and no key is long: no write of LAD's fails because of an index.
--
-- scheduled_at and created_at are timestamps with or without time zone, and the words fit both: the
-- interval since '2000-01-01 00:00+00' (a column without time zone ignores the +00) is added to that
-- moment as a timestamp without time zone. That is the wall clock which LAD has written, or the UTC
-- reading. Infinity becomes NULL. 2000 is where Postgres counts from, so that no date overflows.
--
-- Most bookings are no follow-ups and stay pending for ever; the second key column keeps them out of
-- the way. A task_status of NULL, which some LAD allows, counts as pending.
--
-- Serves: its own condition AND booking_kind = ANY (…) AND wanted_at …, with live or NOT live.
CREATE INDEX IF NOT EXISTS followup_pending_idx ON lead_bookings (
    tenant_id, (translate(left(booking_type::text, 64), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ ', 'abcdefghijklmnopqrstuvwxyz')),
    (COALESCE(status::text IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)),
    (LEAST(GREATEST(
        COALESCE(call_at, (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC'),
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00')), id
) WHERE (task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL;

-- Serves: the same of bookings that were made after their time, and so, it may be, by a clock that is
-- ahead: their wanted_at may lie beyond any horizon.
CREATE INDEX IF NOT EXISTS followup_ahead_idx ON lead_bookings (
    tenant_id, (translate(left(booking_type::text, 64), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ ', 'abcdefghijklmnopqrstuvwxyz')),
    (LEAST(GREATEST(
        COALESCE(call_at, (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC'),
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00')), id
) WHERE (task_status = 'pending' OR task_status IS NULL)
    AND CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END > call_at;

-- Serves: the same with rough_at: pending bookings whose instant was never computed, or from another
-- time or zone than the row has now.
CREATE INDEX IF NOT EXISTS followup_untimed_idx ON lead_bookings (
    tenant_id, (translate(left(booking_type::text, 64), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ ', 'abcdefghijklmnopqrstuvwxyz')),
    (LEAST(GREATEST(
        (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC',
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00')), id
) WHERE (task_status = 'pending' OR task_status IS NULL)
    AND (call_at_wall IS DISTINCT FROM CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END
        OR call_at_zone IS DISTINCT FROM COALESCE(left(timezone::text, 64), ''));

-- Serves: (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours'))))
-- AND live AND checked_at < …, and the same AND NOT live.
CREATE INDEX IF NOT EXISTS followup_waiting_idx ON lead_bookings (
    tenant_id,
    (COALESCE(status::text IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)),
    (LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00')), id
) WHERE task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')));

-- Serves: its own condition AND checked_at < …: a claim at work, whatever LAD has written over its status.
CREATE INDEX IF NOT EXISTS followup_in_progress_idx ON lead_bookings (
    tenant_id, (LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00')), id
) WHERE task_status = 'in_progress' OR claimed_at IS NOT NULL AND task_reason IS NULL AND called_at IS DISTINCT FROM claimed_at;

-- Serves: its own condition AND rough_at >= …: a booking that was moved to another time or zone, or
-- revived after it was cancelled.
CREATE INDEX IF NOT EXISTS followup_changed_idx ON lead_bookings (
    tenant_id, (LEAST(GREATEST(
        (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC',
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00')), id
) WHERE COALESCE(status::text IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false)
    AND task_reason IS DISTINCT FROM 'outcome_unknown'
    AND (task_status <> 'pending' AND (call_at_wall IS DISTINCT FROM CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END
        OR call_at_zone IS DISTINCT FROM COALESCE(left(timezone::text, 64), ''))
        OR task_reason = 'booking_cancelled');

-- Serves: its own condition AND call_at_rule < … (or > …): instants computed with other settings.
CREATE INDEX IF NOT EXISTS followup_rule_idx ON lead_bookings (tenant_id, call_at_rule, id)
    WHERE call_at_rule IS NOT NULL AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL
        OR task_reason IN ('not_started', 'unknown_timezone'));

-- Serves: how many calls a lead has had.
CREATE INDEX IF NOT EXISTS followup_calls_idx ON lead_bookings (tenant_id, lead_id, claimed_at) WHERE claimed_at IS NOT NULL;

-- This and the next serve followup_pace.
CREATE INDEX IF NOT EXISTS followup_claimed_idx ON lead_bookings (claimed_at) WHERE claimed_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS followup_paced_idx ON lead_bookings (task_scheduled_at)
    WHERE task_reason IN ('paced', 'rate_limited');

-- The functions' role, one for all schemas of the server. Their login is made a member of it.
DO $followup$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'followup_app') THEN
            CREATE ROLE followup_app NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN
            NULL; -- another schema's migration was faster
        WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'the role followup_app does not exist and % may not create it: have an administrator run CREATE ROLE followup_app NOLOGIN',
                current_user USING ERRCODE = 'insufficient_privilege';
    END;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO followup_app', current_schema());
END
$followup$;

-- One tenant's bookings. The barrier keeps a caller's own functions from seeing rows before the
-- filter does; the check option keeps an UPDATE from moving a row out of the tenant.
--
-- scheduled_at: the instant of the call; until it is computed, the wall clock taken for UTC. live: a call
-- makes sense. wanted_at: a booking is historic if this is before FOLLOWUP_ACTIVE_SINCE; rough_at: the
-- same without the computed instant, less than a day off. checked_at: when somebody last saw to the
-- call, or 1970. None is infinity, since a page of the sweep ends with one of them and a client may have
-- no such time. metadata_odd: metadata that was encoded twice or nested, for the caller to read.
CREATE OR REPLACE VIEW followup_bookings WITH (security_barrier = true) AS
SELECT
    id, tenant_id, lead_id, assigned_user_id, booking_type,
    translate(left(booking_type::text, 64), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ ', 'abcdefghijklmnopqrstuvwxyz') AS booking_kind,
    COALESCE(call_at, (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC') AS scheduled_at,
    CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END AS wall_at,
    COALESCE(left(timezone::text, 64), '') AS timezone,
    COALESCE(left(booking_source::text, 64), '') AS booking_source,
    status, is_deleted,
    CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END AS created_at,
    call_at, call_at_wall, call_at_zone, call_at_rule,
    left(metadata ->> 'agent_id', 200) AS metadata_agent,
    left(metadata ->> 'call_id', 200) AS metadata_call,
    CASE
        WHEN jsonb_typeof(metadata) = 'string' THEN left(metadata #>> '{}', 8192)
        WHEN metadata ->> 'agent_id' IS NULL AND jsonb_typeof(metadata -> 'metadata') IN ('object', 'string')
            THEN left(metadata ->> 'metadata', 8192)
    END AS metadata_odd,
    task_status, task_reason, task_name, task_scheduled_at, task_revision, planned_for, execution_attempts, claimed_at,
    executed_at, called_at, call_id, last_execution_error, idempotency_key,
    COALESCE(status::text IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false) AS live,
    LEAST(GREATEST(
        COALESCE(call_at, (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC'),
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00') AS wanted_at,
    LEAST(GREATEST(
        (CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END) AT TIME ZONE 'UTC',
        CASE WHEN isfinite(created_at) THEN (timestamp '2000-01-01' + (created_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END), '9999-12-31 00:00:00+00') AS rough_at,
    LEAST(GREATEST('epoch', task_scheduled_at, claimed_at), '9999-12-31 00:00:00+00') AS checked_at
FROM lead_bookings
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid
WITH LOCAL CHECK OPTION;

-- Whom to call, and about what: the latest note is the call's context. Columns that not every LAD has
-- are read out of the whole row as JSON, so that the view counts them from the day LAD adds them.
CREATE OR REPLACE VIEW followup_leads WITH (security_barrier = true) AS
SELECT
    l.id, l.tenant_id, l.first_name, l.last_name, l.phone,
    lead ->> 'country_code' AS country_code,
    lead ->> 'base_number' AS base_number,
    CASE
        WHEN lead ->> 'is_deleted' = 'true' THEN 'lead_deleted'
        WHEN lead ->> 'is_archived' = 'true' THEN 'lead_archived'
        WHEN lead ->> 'do_not_call' = 'true' THEN 'do_not_call'
    END AS excluded,
    (
        SELECT n.content FROM lead_notes n
        WHERE n.lead_id = l.id AND n.tenant_id = l.tenant_id AND to_jsonb(n) ->> 'is_deleted' IS DISTINCT FROM 'true'
        ORDER BY n.created_at DESC NULLS LAST LIMIT 1
    ) AS latest_note
FROM leads l CROSS JOIN LATERAL to_jsonb(l) AS lead
WHERE l.tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid;

-- The voice service's tables, which not every LAD has; run this file again when LAD has got one. The
-- views are always there. Where there is no table of agents, followup_agents says so by a single row
-- without an id.
DO $followup$
BEGIN
    IF to_regclass('voice_agents') IS NULL THEN
        CREATE OR REPLACE VIEW followup_agents WITH (security_barrier = true) AS
        SELECT NULL::text AS id, NULL::uuid AS tenant_id, false AS shared;
    ELSE
        CREATE OR REPLACE VIEW followup_agents WITH (security_barrier = true) AS
        SELECT id::text AS id, tenant_id, tenant_id IS NULL AS shared
        FROM voice_agents
        WHERE COALESCE(tenant_id, NULLIF(current_setting('app.tenant_id', true), '')::uuid) = NULLIF(current_setting('app.tenant_id', true), '')::uuid;
    END IF;
    IF to_regclass('voice_agent_numbers') IS NULL THEN
        CREATE OR REPLACE VIEW followup_numbers WITH (security_barrier = true) AS
        SELECT NULL::text AS id, NULL::uuid AS tenant_id, NULL::text AS country_code, NULL::text AS base_number, NULL::text AS agent_id WHERE false;
    ELSE
        CREATE OR REPLACE VIEW followup_numbers WITH (security_barrier = true) AS
        SELECT n.id::text AS id, n.tenant_id, number ->> 'country_code' AS country_code, number ->> 'base_number' AS base_number,
            COALESCE(number ->> 'default_agent_id', number ->> 'default_agent') AS agent_id
        FROM voice_agent_numbers n CROSS JOIN LATERAL to_jsonb(n) AS number
        WHERE n.tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid
            AND COALESCE(translate(number ->> 'status', 'ACTIVE', 'active'), 'active') = 'active';
    END IF;
    IF to_regclass('voice_call_logs') IS NULL THEN
        CREATE OR REPLACE VIEW followup_call_log WITH (security_barrier = true) AS
        SELECT NULL::text AS id, NULL::uuid AS tenant_id, NULL::uuid AS lead_id, NULL::text AS agent_id, NULL::text AS status, NULL::text AS job_id,
            NULL::timestamptz AS started_at WHERE false;
    ELSE
        CREATE OR REPLACE VIEW followup_call_log WITH (security_barrier = true) AS
        SELECT id::text AS id, tenant_id, lead_id, agent_id::text AS agent_id, status::text AS status, metadata ->> 'job_id' AS job_id,
            CASE WHEN isfinite(started_at) THEN (timestamp '2000-01-01' + (started_at - '2000-01-01 00:00+00')) AT TIME ZONE 'UTC' END AS started_at
        FROM voice_call_logs
        WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid;
    END IF;
END
$followup$;

-- The tenants that the sweep has to visit: those with a row in one of its indexes. It steps from
-- tenant to tenant through them and reads a few entries for each, however many rows there are. The
-- conditions are the indexes' own.
CREATE OR REPLACE VIEW followup_tenants WITH (security_barrier = true) AS
WITH RECURSIVE step (tenant_id) AS (
    SELECT '00000000-0000-0000-0000-000000000000'::uuid
    UNION ALL
    SELECT LEAST(
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND ((task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL)
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND ((task_status = 'pending' OR task_status IS NULL) AND (call_at_wall IS DISTINCT FROM CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END OR call_at_zone IS DISTINCT FROM COALESCE(left(timezone::text, 64), '')))
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours'))))
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND (task_status = 'in_progress' OR claimed_at IS NOT NULL AND task_reason IS NULL AND called_at IS DISTINCT FROM claimed_at)
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND (COALESCE(status::text IN ('pending', 'scheduled', 'confirmed') AND is_deleted IS NOT TRUE AND isfinite(scheduled_at), false) AND task_reason IS DISTINCT FROM 'outcome_unknown' AND (task_status <> 'pending' AND (call_at_wall IS DISTINCT FROM CASE WHEN isfinite(scheduled_at) THEN timestamp '2000-01-01' + (scheduled_at - '2000-01-01 00:00+00') END OR call_at_zone IS DISTINCT FROM COALESCE(left(timezone::text, 64), '')) OR task_reason = 'booking_cancelled'))
         ORDER BY b.tenant_id LIMIT 1),
        (SELECT b.tenant_id FROM lead_bookings b WHERE b.tenant_id > step.tenant_id
            AND (call_at_rule IS NOT NULL AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL OR task_reason IN ('not_started', 'unknown_timezone')))
         ORDER BY b.tenant_id LIMIT 1))
    FROM step WHERE step.tenant_id IS NOT NULL
)
SELECT tenant_id FROM step WHERE tenant_id IS NOT NULL AND tenant_id <> '00000000-0000-0000-0000-000000000000';

-- The voice service limits the calls of all tenants together. This is the one place that looks across
-- tenants and schemas, and it shows ids and times alone: each claim since a moment, and each tenant's
-- last slot for which a call waits; blocked: the service has refused it. Left out are schemas that the
-- owner may not read, that vanish meanwhile, and whose table is locked: nothing can be claimed there, and
-- no lock must hold up all others' calls. pg_temp comes last, or a temporary table could be pg_class.
CREATE OR REPLACE FUNCTION followup_pace(since timestamptz, at timestamptz)
RETURNS TABLE (tenant_id uuid, claimed_at timestamptz, slot timestamptz, blocked boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $followup$
DECLARE
    schema_name name;
BEGIN
    FOR schema_name IN
        SELECT n.nspname FROM pg_class i
        JOIN pg_index x ON x.indexrelid = i.oid
        JOIN pg_class t ON t.oid = x.indrelid AND t.relname = 'lead_bookings'
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE i.relname = 'followup_claimed_idx' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(t.oid, 'SELECT')
    LOOP
        BEGIN
            RETURN QUERY EXECUTE format($$
                SELECT tenant_id, claimed_at, NULL::timestamptz, false FROM %1$I.lead_bookings WHERE claimed_at >= $1
                UNION ALL
                SELECT tenant_id, NULL, max(task_scheduled_at), task_reason = 'rate_limited'
                FROM %1$I.lead_bookings
                WHERE task_reason IN ('paced', 'rate_limited') AND task_scheduled_at > $2 - interval '1 minute'
                GROUP BY tenant_id, task_reason$$, schema_name) USING since, at;
        EXCEPTION WHEN lock_not_available OR undefined_table OR undefined_column OR insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END
$followup$;

REVOKE ALL ON followup_bookings, followup_leads, followup_agents, followup_numbers, followup_call_log, followup_tenants FROM PUBLIC;

REVOKE ALL ON FUNCTION followup_pace(timestamptz, timestamptz) FROM PUBLIC;

GRANT SELECT ON followup_bookings, followup_leads, followup_agents, followup_numbers, followup_call_log, followup_tenants TO followup_app;

GRANT EXECUTE ON FUNCTION followup_pace(timestamptz, timestamptz) TO followup_app;

GRANT UPDATE (
    task_status, task_reason, task_name, task_scheduled_at, task_revision, planned_for, execution_attempts, claimed_at,
    executed_at, call_id, last_execution_error, idempotency_key, called_at, call_at, call_at_wall, call_at_zone, call_at_rule
) ON followup_bookings TO followup_app;
