-- Follow-up calls, 1 of 2: the columns of lead_bookings that plan and record a call.
--
-- Runs in the schema that search_path names first, any number of times, by `followup migrate`, by
-- psql, or as one string by LAD's own runner. Statements are separated by blank lines and hold none
-- (migrations_test.go); `followup migrate` runs each by itself, with CREATE INDEX made CONCURRENTLY.
--
-- First, what this migration and the next need of LAD's tables, before anything is changed; 002 begins
-- with the same block. Of what is there, the type
-- counts; columns that are ours may be missing, and so may the voice service's tables.
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

-- LAD may have run its own form of this. What is there already stays as it is. What this file adds
-- says so in its comment, so that the rollback takes away that and nothing else.
DO $followup$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('task_name',            'text',                                   'the live Cloud Task'),
        ('task_scheduled_at',    'timestamptz',                            'when the live Cloud Task is due'),
        ('task_status',          $$varchar(30) NOT NULL DEFAULT 'pending'$$, 'what has become of the call'),
        ('executed_at',          'timestamptz',                            'when the call was made'),
        ('execution_attempts',   'integer NOT NULL DEFAULT 0',             'claims made for this key'),
        ('last_execution_error', 'text',                                   'why the last attempt failed, for people'),
        ('idempotency_key',      'varchar(255)',                           'followup:tenant:booking:scheduled_at')
    ) AS columns (name, definition, meaning)
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = 'lead_bookings'::regclass AND attname = wanted.name AND NOT attisdropped);
        EXECUTE format('ALTER TABLE lead_bookings ADD COLUMN %I %s', wanted.name, wanted.definition);
        EXECUTE format('COMMENT ON COLUMN lead_bookings.%I IS %L', wanted.name, wanted.meaning || ' [followup 001]');
    END LOOP;
END
$followup$;

-- VARCHAR(100), as the brief has it, is too short for two UUIDs and a time. Longer costs no rewrite.
DO $followup$
BEGIN
    -- The type modifier of varchar(n) is n + 4.
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'lead_bookings'::regclass AND attname = 'idempotency_key'
          AND atttypid = 'varchar'::regtype AND atttypmod BETWEEN 5 AND 258)
    THEN
        ALTER TABLE lead_bookings ALTER COLUMN idempotency_key TYPE varchar(255);
    END IF;
END
$followup$;

-- A vocabulary and no more: LAD's own services write this column too. Not validated here, since that
-- reads the whole table, which the lock of ADD CONSTRAINT would keep from everybody meanwhile.
DO $followup$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.conrelid = 'lead_bookings'::regclass AND c.contype = 'c' AND a.attname = 'task_status')
    THEN
        ALTER TABLE lead_bookings ADD CONSTRAINT chk_task_status
            CHECK (task_status IN ('pending', 'scheduled', 'executed', 'cancelled', 'failed')) NOT VALID;
        COMMENT ON CONSTRAINT chk_task_status ON lead_bookings IS '[followup 001]';
    END IF;
END
$followup$;

-- Validates it, which reads the table under a lock that stops neither readers nor writers.
DO $followup$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 'lead_bookings'::regclass AND conname = 'chk_task_status'
          AND NOT convalidated AND obj_description(oid, 'pg_constraint') = '[followup 001]')
    THEN
        ALTER TABLE lead_bookings VALIDATE CONSTRAINT chk_task_status;
    END IF;
END
$followup$;

CREATE UNIQUE INDEX IF NOT EXISTS followup_idempotency_key_idx ON lead_bookings (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- One such index is enough: LAD's stays. (SQL has no way to create an index on a condition and
-- concurrently. `followup migrate` looks before it creates.)
DO $followup$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = 'lead_bookings'::regclass AND i.indisunique AND i.indisvalid
          AND i.indexrelid <> to_regclass('followup_idempotency_key_idx')
          AND i.indnkeyatts = 2 AND i.indexprs IS NULL
          AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(idempotency_key IS NOT NULL)')
          AND ARRAY['tenant_id', 'idempotency_key']::name[] <@ (
              SELECT array_agg(a.attname) FROM pg_attribute a
              WHERE a.attrelid = i.indrelid AND a.attnum IN (i.indkey[0], i.indkey[1])))
    THEN
        DROP INDEX followup_idempotency_key_idx;
    END IF;
END
$followup$;
