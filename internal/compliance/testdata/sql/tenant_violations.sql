-- no condition at all
SELECT id FROM leads

-- a condition on something else
SELECT id FROM lead_bookings WHERE id = $1

-- a filter under OR
SELECT id FROM leads WHERE tenant_id = $1 OR phone = $2

-- a filter under NOT
SELECT id FROM leads WHERE NOT (tenant_id = $1)

-- NOT over an inequality, which is equal only by double negation
SELECT id FROM leads WHERE NOT (tenant_id <> $1 OR phone IS NULL)

-- an inequality
SELECT id FROM leads WHERE tenant_id <> $1

-- a comparison that is no equality
SELECT id FROM leads WHERE tenant_id >= $1

-- a distinctness
SELECT EXISTS (SELECT FROM followup_bookings WHERE tenant_id IS DISTINCT FROM @tenant)

-- a column equal to itself
SELECT id FROM leads WHERE tenant_id = tenant_id

-- a column equal to itself by another name
SELECT id FROM leads l WHERE l.tenant_id = tenant_id

-- a constant that is true
SELECT id FROM leads WHERE true AND $1 = $1

-- a tenant that is written down
SELECT id FROM leads WHERE tenant_id = 'aaaaaaaa-0000-4000-8000-000000000001'

-- the parameter or else the column itself
SELECT id FROM leads WHERE tenant_id = COALESCE($1, tenant_id)

-- a choice that lets every tenant through
SELECT id FROM leads WHERE CASE WHEN $2 THEN tenant_id = $1 ELSE true END

-- the outcome of a filter compared with something
SELECT id FROM leads WHERE (tenant_id = $1) = $2

-- a filter that is asked to be known and not to be true
SELECT id FROM leads WHERE (tenant_id = $1) IS NOT NULL

-- many tenants at once
SELECT id FROM leads WHERE tenant_id = ANY ($1)

-- a list of tenants
SELECT id FROM leads WHERE tenant_id IN ($1, $2)

-- part of the column
SELECT id FROM leads WHERE left(tenant_id::text, 8) = $1

-- a cast that cuts the column short
SELECT id FROM leads WHERE tenant_id::varchar(8) = $1

-- a filter on another column of that ending
SELECT id FROM leads WHERE parent_tenant_id = $1

-- a quoted column that is another
SELECT id FROM leads WHERE "Tenant_ID" = $1

-- a filter that a comment has swallowed
SELECT id FROM leads WHERE id = $1 -- AND tenant_id = $2

-- a filter inside a string
SELECT id FROM leads WHERE phone <> 'AND tenant_id = $1'

-- capitals and a quoted table
sElEcT id fRoM "leads" wHeRe id = $1

-- an alias named like a filtered thing
SELECT tenant_id.id FROM leads AS tenant_id WHERE tenant_id.id = $1

-- a filter on the other alias of a join
SELECT b.id FROM followup_bookings b JOIN followup_leads l ON l.id = b.lead_id WHERE l.tenant_id = $1

-- two relations that are equal to each other alone
SELECT b.id FROM followup_bookings b JOIN followup_leads l ON l.id = b.lead_id AND l.tenant_id = b.tenant_id

-- three relations, one out of the chain
SELECT b.id FROM followup_bookings b JOIN followup_leads l ON l.tenant_id = b.tenant_id, leads x WHERE b.tenant_id = $1

-- a bare filter between two relations
SELECT 1 FROM leads a, lead_notes b WHERE tenant_id = $1

-- the ON of a left join says nothing of the left side
SELECT b.id FROM lead_bookings b LEFT JOIN leads l ON l.id = b.lead_id AND b.tenant_id = $1 AND l.tenant_id = $1

-- nor that of a right join of the right side
SELECT b.id FROM leads l RIGHT JOIN lead_bookings b ON l.id = b.lead_id AND b.tenant_id = $1 AND l.tenant_id = $1

-- nor that of a full join of either
SELECT b.id FROM leads l FULL JOIN lead_bookings b ON b.tenant_id = $1 AND l.tenant_id = $1

-- a left join passes the filter on to the right only
SELECT b.id FROM lead_bookings b LEFT JOIN leads l ON l.tenant_id = b.tenant_id AND l.tenant_id = $1

-- USING in a left join likewise
SELECT b.id FROM lead_bookings b LEFT JOIN (SELECT id, tenant_id FROM leads WHERE tenant_id = $1) l USING (tenant_id)

-- a table's aliases that make tenant_id of another column
SELECT l.tenant_id FROM leads AS l (tenant_id, id) WHERE l.tenant_id = $1

-- a subquery in FROM that the outer query filters
SELECT id FROM (SELECT * FROM leads) l WHERE l.tenant_id = $1

-- a subquery in FROM whose filter is on the outside only by name
SELECT x.id FROM (SELECT id, lead_id AS tenant_id FROM lead_bookings WHERE tenant_id = $1) x JOIN leads l ON l.tenant_id = x.tenant_id

-- a subquery in the SELECT list
SELECT id, (SELECT count(*) FROM lead_notes n WHERE n.lead_id = l.id) FROM leads l WHERE l.tenant_id = $1

-- a subquery in a condition
SELECT id FROM leads WHERE tenant_id = $1 AND id IN (SELECT lead_id FROM lead_bookings)

-- EXISTS
SELECT EXISTS (SELECT FROM lead_bookings WHERE id = $1)

-- a subquery in ORDER BY
SELECT id FROM leads l WHERE tenant_id = $1 ORDER BY (SELECT max(created_at) FROM lead_notes n WHERE n.lead_id = l.id)

-- a subquery in LIMIT
SELECT id FROM leads WHERE tenant_id = $1 LIMIT (SELECT count(*) FROM lead_notes)

-- a subquery correlated with a relation that is not filtered
SELECT (SELECT n.content FROM lead_notes n WHERE n.tenant_id = l.tenant_id LIMIT 1) FROM leads l

-- a lateral subquery
SELECT n.content FROM leads l, LATERAL (SELECT content FROM lead_notes n WHERE n.lead_id = l.id) n WHERE l.tenant_id = $1

-- a CTE
WITH mine AS (SELECT * FROM leads) SELECT id FROM mine WHERE tenant_id = $1

-- a CTE that calls another column tenant_id
WITH mine AS (SELECT lead_id AS tenant_id FROM lead_bookings WHERE tenant_id = $1)
SELECT l.id FROM leads l JOIN mine ON mine.tenant_id = l.tenant_id

-- a CTE whose column list renames
WITH mine (tenant_id, id) AS (SELECT id, tenant_id FROM lead_bookings WHERE tenant_id = $1)
SELECT l.id FROM leads l JOIN mine ON mine.tenant_id = l.tenant_id

-- a CTE named like a relation, beside the relation itself
WITH leads AS (SELECT 1 AS one) SELECT 1 FROM leads, lead_notes

-- a CTE of an inner query does not reach out
SELECT (WITH leads AS (SELECT 1 AS one) SELECT one FROM leads), id FROM leads

-- a CTE does not stand in for a target
WITH leads AS (SELECT 1) DELETE FROM leads

-- a recursive CTE
WITH RECURSIVE chain AS (
    SELECT id FROM lead_bookings WHERE tenant_id = $1 AND id = $2
    UNION ALL SELECT b.id FROM lead_bookings b JOIN chain ON b.parent_booking_id = chain.id)
SELECT id FROM chain

-- the second branch of a UNION
SELECT id FROM leads WHERE tenant_id = $1 UNION ALL SELECT id FROM leads WHERE phone = $2

-- the first branch
(SELECT id FROM leads) EXCEPT SELECT id FROM lead_notes WHERE tenant_id = $1

-- a UNION whose branches disagree on the column
SELECT l.id FROM leads l JOIN (
    SELECT tenant_id, id FROM lead_bookings WHERE tenant_id = $1
    UNION ALL SELECT lead_id, tenant_id FROM lead_bookings WHERE tenant_id = $1) b ON b.tenant_id = l.tenant_id

-- a column of a function's rows
SELECT l.id FROM leads l JOIN unnest($1::uuid[]) AS u (tenant_id) ON u.tenant_id = l.tenant_id

-- TABLE
TABLE leads

-- a sample
SELECT id FROM leads TABLESAMPLE system (1)

-- ONLY
SELECT id FROM ONLY leads

-- a schema in front of it
SELECT id FROM pg_temp.leads

-- locking
SELECT id FROM lead_bookings WHERE id = $1 FOR UPDATE SKIP LOCKED

-- EXPLAIN
EXPLAIN ANALYZE SELECT id FROM leads

-- a cursor
DECLARE c CURSOR FOR SELECT id FROM leads

-- PREPARE
PREPARE p AS SELECT id FROM leads

-- CREATE TABLE AS
CREATE TABLE copy AS SELECT * FROM leads

-- SELECT INTO
SELECT * INTO copy FROM leads

-- COPY of the table
COPY leads TO STDOUT

-- COPY into the table
COPY leads FROM STDIN

-- COPY of a query
COPY (SELECT * FROM leads) TO STDOUT

-- TRUNCATE
TRUNCATE lead_notes

-- UPDATE
UPDATE followup_bookings SET task_status = 'failed' WHERE id = $1

-- UPDATE … FROM that filters the other one
UPDATE lead_bookings b SET notes = $2 FROM leads l WHERE l.id = b.lead_id AND l.tenant_id = $1

-- UPDATE … FROM that filters the target alone
UPDATE lead_bookings b SET notes = l.phone FROM leads l WHERE l.id = b.lead_id AND b.tenant_id = $1

-- UPDATE with a subquery in SET
UPDATE lead_bookings b SET notes = (SELECT content FROM lead_notes n WHERE n.lead_id = b.lead_id) WHERE b.tenant_id = $1

-- UPDATE of the tenant itself
UPDATE lead_bookings SET tenant_id = $2 WHERE tenant_id = $1

-- UPDATE of the tenant among others
UPDATE lead_bookings SET (status, tenant_id) = ($2, $3) WHERE tenant_id = $1

-- UPDATE at a cursor
UPDATE lead_bookings SET status = 'x' WHERE CURRENT OF c

-- UPDATE from a CTE that is not joined by the tenant
WITH due AS (SELECT id, tenant_id FROM lead_bookings WHERE tenant_id = $1) UPDATE lead_bookings b SET status = 'x' FROM due WHERE due.id = b.id

-- an UPDATE inside a CTE
WITH moved AS (UPDATE lead_bookings SET status = 'x' RETURNING id) SELECT id FROM moved

-- DELETE
DELETE FROM lead_notes

-- DELETE USING that filters the other one
DELETE FROM lead_notes n USING leads l WHERE l.id = n.lead_id AND l.tenant_id = $1

-- DELETE whose filter is in RETURNING
DELETE FROM lead_notes RETURNING tenant_id = $1

-- MERGE
MERGE INTO leads l USING (SELECT $1::uuid AS id) s ON l.id = s.id AND l.tenant_id = $2 WHEN MATCHED THEN DELETE

-- INSERT without the column
INSERT INTO lead_notes (lead_id, content) VALUES ($1, $2)

-- INSERT without any column
INSERT INTO lead_notes VALUES ($1, $2, $3)

-- INSERT of defaults
INSERT INTO leads DEFAULT VALUES

-- INSERT of a default tenant
INSERT INTO leads (tenant_id, phone) VALUES (DEFAULT, $1)

-- INSERT of no tenant
INSERT INTO leads (tenant_id, phone) VALUES (NULL, $1)

-- INSERT of a tenant that is written down, in the second row
INSERT INTO leads (phone, tenant_id) VALUES ($1, $2), ($3, 'aaaaaaaa-0000-4000-8000-000000000001')

-- INSERT … SELECT of everybody
INSERT INTO lead_notes (tenant_id, lead_id) SELECT tenant_id, id FROM leads

-- INSERT … SELECT with the columns in another order
INSERT INTO lead_notes (lead_id, tenant_id) SELECT tenant_id, id FROM leads WHERE tenant_id = $1

-- INSERT … SELECT * hides the order
INSERT INTO leads (id, tenant_id) SELECT * FROM leads WHERE tenant_id = $1

-- INSERT that overwrites whoever is in the way
INSERT INTO leads (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET phone = $3

-- INSERT that takes over what is in the way
INSERT INTO leads (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id, tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id

-- the second of several statements
SELECT 1; DELETE FROM leads WHERE id = $1

-- a view without a filter
CREATE VIEW v AS SELECT id, tenant_id FROM leads

-- a view that is given its tenant otherwise
CREATE VIEW v AS SELECT id FROM leads WHERE tenant_id = current_setting('app.tenant')::uuid

-- a view by a tenant that is written down
CREATE OR REPLACE VIEW v AS SELECT id FROM leads WHERE tenant_id = 'aaaaaaaa-0000-4000-8000-000000000001'

-- a view, its subquery
CREATE VIEW v AS SELECT id, (SELECT n.content FROM lead_notes n WHERE n.lead_id = l.id) FROM leads l
WHERE tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid

-- a materialised view
CREATE MATERIALIZED VIEW v AS SELECT id FROM leads

-- a rule
CREATE RULE r AS ON INSERT TO followup_tenants DO INSTEAD DELETE FROM leads

-- a function in SQL
CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM leads'

-- a function with a body of its own
CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM leads; END

-- a function in PL/pgSQL
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM leads; END $$

-- a function in a language that nobody reads
CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS $$ plpy.execute("DELETE FROM leads") $$

-- a block
DO $$ BEGIN UPDATE leads SET phone = NULL; END $$

-- a block's loop
DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM leads LOOP NULL; END LOOP; END $$

-- a block's condition
DO $$ BEGIN IF (SELECT count(*) FROM leads) > 0 THEN NULL; END IF; END $$

-- a block's assignment
DO $$ DECLARE n bigint; BEGIN n := (SELECT count(*) FROM leads); END $$

-- a block's handler
DO $$ BEGIN NULL; EXCEPTION WHEN others THEN DELETE FROM leads; END $$

-- EXECUTE of a constant
DO $$ BEGIN EXECUTE 'DELETE FROM leads'; END $$

-- EXECUTE of a format
DO $$ BEGIN EXECUTE format('DELETE FROM leads WHERE id = %L', 1); END $$

-- EXECUTE of parts
DO $$ DECLARE x text; BEGIN EXECUTE 'DELETE FROM leads ' || x; END $$

-- EXECUTE of a filter under OR
DO $$ BEGIN EXECUTE 'DELETE FROM leads WHERE tenant_id = $1 OR true' USING 1; END $$

-- EXECUTE of something unknown
DO $$ DECLARE x text; BEGIN EXECUTE x; END $$

-- EXECUTE of a DELETE that nobody can read
DO $$ DECLARE x text; BEGIN EXECUTE 'DELETE FROM ' || x || ' WHERE ' || x || '('; END $$

-- a loop over EXECUTE
DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT * FROM leads' LOOP NULL; END LOOP; END $$

-- RETURN QUERY EXECUTE
CREATE FUNCTION f() RETURNS SETOF leads LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT * FROM leads'; END $$

-- SQL in a string of SQL
SELECT query_to_xml('SELECT * FROM leads', true, false, '')
