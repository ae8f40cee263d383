-- no white space
DELETE/**/FROM/**/leads

-- NATURAL JOIN
SELECT 1 FROM leads NATURAL JOIN lead_notes WHERE leads.tenant_id = $1

-- the parameter or else a tenant that is written down
SELECT id FROM leads WHERE tenant_id = COALESCE($1, 'aaaaaaaa-0000-4000-8000-000000000001')

-- whatever a function makes of a parameter
SELECT id FROM leads WHERE tenant_id = owner_of($1)

-- one of two parameters
SELECT id FROM leads WHERE tenant_id = GREATEST($1, $2)

-- the parameter or not
SELECT id FROM leads WHERE tenant_id = CASE WHEN $1 THEN $2 ELSE 'aaaaaaaa-0000-4000-8000-000000000001' END

-- an element of many
SELECT id FROM leads WHERE tenant_id = ($1::uuid[])[1]

-- a filter in HAVING, which the rows are past
SELECT tenant_id, count(*) FROM leads GROUP BY tenant_id HAVING tenant_id = $1

-- a filter in FILTER
SELECT count(*) FILTER (WHERE tenant_id = $1) FROM leads

-- a filter on the joined side of an UPDATE, under OR
UPDATE lead_bookings b SET notes = NULL FROM leads l WHERE l.tenant_id = $1 AND (b.tenant_id = l.tenant_id OR b.lead_id = l.id)

-- a subquery in VALUES
INSERT INTO lead_notes (tenant_id, lead_id) VALUES ($1, (SELECT id FROM leads WHERE phone = $2))

-- a subquery in RETURNING
UPDATE leads SET phone = $2 WHERE tenant_id = $1 RETURNING (SELECT count(*) FROM lead_notes)

-- a subquery in a window
SELECT count(*) OVER (PARTITION BY (SELECT count(*) FROM lead_notes)) FROM leads WHERE tenant_id = $1

-- a subquery in ON
SELECT 1 FROM leads l JOIN generate_series(1, 2) g ON g = (SELECT count(*) FROM lead_notes) WHERE l.tenant_id = $1

-- a filter in a WHERE that only ORs back
SELECT id FROM leads WHERE (tenant_id = $1 AND phone = $2) OR phone = $3

-- a function's argument
SELECT count_rows((SELECT count(*) FROM leads))

-- a query in a table function
SELECT * FROM dblink('SELECT * FROM leads') AS t (id uuid)

-- an index's expression is harmless, its statement beside it is not
CREATE INDEX i ON leads (phone); UPDATE leads SET phone = NULL

-- a trigger's function without a filter
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE leads SET phone = NULL WHERE id = NEW.lead_id; RETURN NEW; END $$
