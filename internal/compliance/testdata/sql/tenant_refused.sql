-- USING
SELECT b.id FROM lead_bookings b JOIN leads l USING (tenant_id) WHERE tenant_id = $1

-- a subquery that hands the tenant on
SELECT b.id FROM (SELECT * FROM leads WHERE tenant_id = $1) l JOIN lead_bookings b ON b.tenant_id = l.tenant_id

-- VALUES of the tenant
SELECT l.id FROM leads l JOIN (VALUES ($1::uuid)) AS me (tenant_id) ON me.tenant_id = l.tenant_id

-- INSERT … SELECT
INSERT INTO lead_notes (lead_id, tenant_id) SELECT id, tenant_id FROM leads WHERE tenant_id = $1

-- a CTE that hands the tenant on
WITH due (booking, tenant_id) AS (SELECT id, tenant_id FROM lead_bookings WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED)
UPDATE lead_bookings b SET status = 'x' FROM due WHERE b.id = due.booking AND b.tenant_id = due.tenant_id

-- a left join, the right side filtered by the left
SELECT b.id FROM lead_bookings b LEFT JOIN leads l ON l.id = b.lead_id AND l.tenant_id = b.tenant_id WHERE b.tenant_id = $1

-- INSERT that overwrites a row of the same tenant only
INSERT INTO leads AS l (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET phone = $3 WHERE l.tenant_id = excluded.tenant_id

-- UPDATE inside a CTE, whose rows are used
WITH moved AS (UPDATE lead_bookings SET status = 'x' WHERE tenant_id = $1 RETURNING lead_id, tenant_id)
SELECT l.id FROM leads l JOIN moved ON moved.lead_id = l.id AND moved.tenant_id = l.tenant_id

-- INSERT … SELECT of a parameter
INSERT INTO lead_notes (lead_id, tenant_id) SELECT u, $1 FROM unnest($2::uuid[]) AS u

-- INSERT that overwrites its own tenant's row
INSERT INTO lead_bookings (tenant_id, idempotency_key) VALUES ($1, $2) ON CONFLICT (tenant_id, idempotency_key) DO UPDATE SET status = 'x'

-- a right join
SELECT b.id FROM leads l RIGHT JOIN lead_bookings b ON l.tenant_id = b.tenant_id WHERE b.tenant_id = $1

-- a CTE that is named like a relation
WITH leads AS (SELECT 1 AS id) SELECT id FROM leads

-- a UNION that hands the tenant on
SELECT l.id FROM leads l JOIN (
    SELECT tenant_id FROM lead_bookings WHERE tenant_id = $1
    UNION ALL SELECT tenant_id FROM lead_notes WHERE tenant_id = $1) b ON b.tenant_id = l.tenant_id

-- EXECUTE of a filter
DO $$ BEGIN EXECUTE 'DELETE FROM leads WHERE tenant_id = $1' USING 1; END $$

-- a pair
SELECT id FROM leads WHERE (tenant_id, id) = ($1, $2)
