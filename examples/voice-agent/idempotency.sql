-- One row per call that start-call has begun. The primary key is what makes two
-- requests with one Idempotency-Key one call.
CREATE TABLE IF NOT EXISTS voice_call_idempotency (
    tenant_id       uuid         NOT NULL,
    idempotency_key varchar(255) NOT NULL,
    claimed_at      timestamptz  NOT NULL DEFAULT now(),
    answer          jsonb,       -- NULL until the call has been dialled and answered
    PRIMARY KEY (tenant_id, idempotency_key)
);
