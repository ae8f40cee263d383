-- What LAD's own form of migration 001 leaves behind. Its status check knows no in_progress.
ALTER TABLE lead_bookings
    ADD COLUMN task_name            varchar(500),
    ADD COLUMN task_scheduled_at    timestamptz,
    ADD COLUMN task_status          varchar(30) NOT NULL DEFAULT 'pending',
    ADD COLUMN executed_at          timestamptz,
    ADD COLUMN execution_attempts   integer NOT NULL DEFAULT 0,
    ADD COLUMN last_execution_error text,
    ADD COLUMN idempotency_key      varchar(255);

ALTER TABLE lead_bookings ADD CONSTRAINT chk_task_status
    CHECK (task_status IN ('pending', 'scheduled', 'executed', 'cancelled', 'failed'));

CREATE UNIQUE INDEX idx_lead_bookings_idempotency_key
    ON lead_bookings (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

COMMENT ON COLUMN lead_bookings.task_status IS 'Status of the Cloud Task';
