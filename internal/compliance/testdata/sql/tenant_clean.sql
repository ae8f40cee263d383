-- a filter
SELECT id FROM leads WHERE tenant_id = $1

-- the other way round
SELECT id FROM leads WHERE $1 = tenant_id

-- a named argument, and LIMIT of one
SELECT id FROM followup_bookings WHERE tenant_id = @tenant AND id > @id ORDER BY id LIMIT @limit

-- a named argument that touches its operator
SELECT id FROM leads WHERE tenant_id=@tenant AND phone=@a

-- capitals, quotes and comments
SeLeCt id FrOm "leads" /* of one tenant */ WhErE "tenant_id" = $1 -- and nobody else's

-- the table's own name
SELECT leads.id FROM leads WHERE leads.tenant_id = $1

-- an alias
SELECT l.id FROM leads AS l WHERE l.tenant_id = $1

-- among others, nested
SELECT id FROM leads WHERE (phone = $2 OR phone IS NULL) AND (id = $3 AND (tenant_id = $1::uuid))

-- cast to text
SELECT id FROM leads WHERE tenant_id::text = $1

-- the setting
SELECT id FROM leads WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid

-- a join, each filtered
SELECT b.id FROM followup_bookings b JOIN followup_leads l ON l.id = b.lead_id AND l.tenant_id = $1 WHERE b.tenant_id = $1

-- a join by the tenant
SELECT b.id FROM followup_bookings b JOIN followup_leads l ON l.id = b.lead_id AND l.tenant_id = b.tenant_id WHERE b.tenant_id = $1

-- a chain of three, against the order
SELECT 1 FROM leads a JOIN lead_notes b ON a.tenant_id = b.tenant_id JOIN lead_bookings c ON b.tenant_id = c.tenant_id WHERE c.tenant_id = $1

-- a table of tenants that is filtered
SELECT l.id FROM leads l JOIN tenants t ON t.tenant_id = l.tenant_id WHERE t.tenant_id = $1

-- a bare filter beside a function
SELECT b.id FROM lead_bookings b JOIN unnest($2::uuid[]) AS u (id) ON u.id = b.id WHERE tenant_id = $1

-- a subquery that filters
SELECT id FROM (SELECT id FROM leads WHERE tenant_id = $1) l

-- a correlated subquery
SELECT id, (SELECT n.content FROM lead_notes n WHERE n.lead_id = l.id AND n.tenant_id = l.tenant_id) FROM leads l WHERE l.tenant_id = $1

-- a lateral subquery
SELECT n.content FROM leads l, LATERAL (SELECT content FROM lead_notes n WHERE n.tenant_id = l.tenant_id) n WHERE l.tenant_id = $1

-- EXISTS
SELECT EXISTS (SELECT FROM lead_bookings WHERE id = $1 AND tenant_id = $2)

-- a CTE
WITH mine AS (SELECT id FROM leads WHERE tenant_id = $1) SELECT id FROM mine

-- locking of an alias
SELECT b.id FROM lead_bookings b WHERE b.tenant_id = $1 FOR NO KEY UPDATE OF b

-- UPDATE
UPDATE followup_bookings SET task_status = $3 WHERE tenant_id = $1 AND id = $2

-- UPDATE … FROM
UPDATE lead_bookings b SET notes = l.phone FROM leads l WHERE l.tenant_id = b.tenant_id AND b.tenant_id = $1

-- DELETE
DELETE FROM lead_notes WHERE tenant_id = $1

-- DELETE USING
DELETE FROM lead_notes n USING leads l WHERE l.id = n.lead_id AND l.tenant_id = $1 AND n.tenant_id = $1

-- INSERT
INSERT INTO leads (id, tenant_id, phone) VALUES ($1, $2, $3), ($4, $2, $5)

-- INSERT that gives way
INSERT INTO leads (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- a view
CREATE OR REPLACE VIEW followup_bookings WITH (security_barrier = true) AS SELECT id, tenant_id FROM lead_bookings
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid WITH LOCAL CHECK OPTION

-- the view that is excepted
CREATE VIEW followup_tenants AS SELECT DISTINCT tenant_id FROM lead_bookings

-- the catalogue
SELECT attname FROM pg_attribute WHERE attrelid = 'lead_bookings'::regclass

-- settings
SELECT set_config('app.tenant_id', $1, true), clock_timestamp()

-- another relation
SELECT tenant_id FROM followup_tenants

-- a table of a similar name
SELECT id FROM "Leads"

-- definitions
CREATE INDEX i ON lead_bookings (tenant_id); ALTER TABLE leads ADD COLUMN x int; GRANT SELECT ON followup_leads TO followup_app; DROP VIEW followup_leads; COMMENT ON COLUMN leads.phone IS 'delete from leads'

-- a function by a variable
CREATE FUNCTION f(tenant uuid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM leads WHERE tenant_id = tenant; END $$

-- a trigger's function
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE leads SET phone = NULL WHERE tenant_id = NEW.tenant_id AND id = NEW.lead_id; RETURN NEW; END $$

-- a block
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT attname FROM pg_attribute LOOP EXECUTE format('ALTER TABLE leads DROP COLUMN %I', r.attname); END LOOP;
END $$

-- EXECUTE of a definition that has gaps
DO $$ DECLARE x text; BEGIN EXECUTE format('ALTER TABLE leads ADD CONSTRAINT %I %s NOT VALID', x, x); END $$
