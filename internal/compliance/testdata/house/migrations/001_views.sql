-- A fixture: comments and blank lines come first, and findings are on their lines.
CREATE OR REPLACE VIEW followup_leads AS
SELECT id, tenant_id FROM leads
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid;

CREATE VIEW followup_bookings AS
SELECT id, tenant_id
FROM lead_bookings; -- want #2

CREATE VIEW followup_tenants AS SELECT DISTINCT tenant_id FROM lead_bookings;

CREATE TABLE lad_dev.notes (id uuid); -- want #1

DO $followup$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'lead_bookings'::regclass) THEN
        DELETE FROM lead_notes; -- want #2
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO followup_app', current_schema());
    EXECUTE 'ALTER TABLE lad_dev.notes ADD COLUMN content text'; -- want #2
END
$followup$;
