-- LAD's tables before anybody thought of automatic calls. A fixture: names and meanings are LAD's
-- own, the types are plausible.
CREATE TABLE leads (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id  uuid NOT NULL,
    first_name varchar(100),
    last_name  varchar(100),
    phone      varchar(50),
    email      varchar(255)
);

CREATE TABLE lead_notes (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id  uuid NOT NULL,
    lead_id    uuid NOT NULL REFERENCES leads (id),
    content    text,
    is_deleted boolean DEFAULT false,
    created_at timestamptz DEFAULT now()
);

CREATE INDEX idx_lead_notes_lead ON lead_notes (lead_id);

CREATE TABLE lead_bookings (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id         uuid NOT NULL,
    lead_id           uuid NOT NULL REFERENCES leads (id),
    assigned_user_id  uuid,
    booking_type      varchar(50),
    booking_source    varchar(50),
    scheduled_at      timestamptz,
    timezone          varchar(64),
    status            varchar(30) DEFAULT 'scheduled',
    call_result       varchar(50),
    retry_count       integer DEFAULT 0,
    parent_booking_id uuid REFERENCES lead_bookings (id),
    notes             text,
    metadata          jsonb,
    created_by        uuid,
    created_at        timestamptz DEFAULT now(),
    updated_at        timestamptz DEFAULT now(),
    is_deleted        boolean DEFAULT false,
    buffer_until      timestamptz
);

CREATE INDEX idx_lead_bookings_tenant ON lead_bookings (tenant_id);
