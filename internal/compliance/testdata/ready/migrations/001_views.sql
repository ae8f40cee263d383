CREATE OR REPLACE VIEW followup_bookings AS
SELECT id, tenant_id, task_status FROM lead_bookings
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid;
