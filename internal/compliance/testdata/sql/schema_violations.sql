-- a relation
SELECT 1 FROM lad_dev.registry

-- a quoted one
SELECT 1 FROM "Tenant_A" . "registry"

-- public counts, too
SELECT 1 FROM public.registry

-- a relation in a CTE
WITH x AS (SELECT 1 FROM lad_dev.registry) SELECT 1 FROM x

-- a target
INSERT INTO lad_dev.registry VALUES (1)

-- a column
SELECT lad_dev.registry.id FROM registry

-- a whole row
SELECT lad_dev.registry.* FROM registry

-- a function
SELECT lad_dev.plan($1)

-- a type
SELECT $1::lad_dev.status

-- a type in a definition
CREATE TABLE t (a lad_dev.status)

-- an operator
SELECT 1 OPERATOR(lad_dev.+) 2

-- a collation
SELECT $1 COLLATE lad_dev.german

-- SET search_path
SET search_path TO lad_dev, pg_temp

-- SET LOCAL search_path
SET LOCAL search_path = 'lad_dev'

-- the path of a role
ALTER ROLE followup_app SET search_path = lad_dev

-- the path of a function
CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = lad_dev AS 'SELECT 1'

-- set_config
SELECT set_config('search_path', 'lad_dev', true)

-- set_config, put together
SELECT set_config('Search_Path', 'lad_dev, ' || $1, true)

-- to_regclass
SELECT to_regclass('lad_dev.registry')

-- to_regclass, quoted
SELECT to_regclass('"lad_dev"."registry"')

-- a cast to regclass
SELECT 'lad_dev.registry'::regclass

-- CAST to regtype
SELECT CAST('lad_dev.status' AS regtype)

-- a cast to regnamespace
SELECT oid FROM pg_class WHERE relnamespace = 'lad_dev'::regnamespace

-- a sequence
SELECT nextval('lad_dev.numbers')

-- rights in a schema
SELECT has_schema_privilege('followup_app', 'lad_dev', 'USAGE')

-- rights on a table
SELECT has_table_privilege('lad_dev.registry', 'SELECT')

-- a comparison with the catalogue
SELECT 1 FROM pg_namespace WHERE nspname = 'lad_dev'

-- a comparison the other way round, in a list
SELECT 1 FROM information_schema.tables WHERE table_schema IN ('lad_dev', 'tenant_a')

-- the current schema
SELECT current_schema = 'lad_dev', current_schema() = 'lad_dev'

-- a grant
GRANT USAGE ON SCHEMA lad_dev TO followup_app

-- a grant on all tables
GRANT SELECT ON ALL TABLES IN SCHEMA lad_dev TO followup_app

-- default rights
ALTER DEFAULT PRIVILEGES IN SCHEMA lad_dev GRANT SELECT ON TABLES TO followup_app

-- a new schema
CREATE SCHEMA lad_dev

-- a schema less
DROP SCHEMA IF EXISTS lad_dev CASCADE

-- a schema renamed
ALTER SCHEMA lad_dev RENAME TO lad

-- a table moved
ALTER TABLE registry SET SCHEMA lad_dev

-- a table dropped
DROP TABLE lad_dev.registry

-- a comment
COMMENT ON COLUMN lad_dev.registry.id IS 'x'

-- a trigger's function
CREATE TRIGGER t AFTER INSERT ON registry FOR EACH ROW EXECUTE FUNCTION lad_dev.notify()

-- a function of that schema
CREATE FUNCTION lad_dev.f() RETURNS int LANGUAGE sql AS 'SELECT 1'

-- in a function's body
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM lad_dev.registry'

-- in a block
DO $$ BEGIN PERFORM 1 FROM lad_dev.registry; END $$

-- the second of two statements
SELECT 1; SELECT 1 FROM lad_dev.registry

-- SET SCHEMA, which is the search path
SET SCHEMA 'lad_dev'

-- the path of a database
ALTER DATABASE lad SET search_path = lad_dev

-- an extension's schema
CREATE EXTENSION pg_trgm SCHEMA lad_dev

-- a publication
CREATE PUBLICATION p FOR TABLES IN SCHEMA lad_dev

-- an escaped name
SELECT 1 FROM U&"lad\005fdev".registry

-- a database in front of it
SELECT 1 FROM lad.lad_dev.registry

-- a table's parent
CREATE TABLE t () INHERITS (lad_dev.registry)

-- a foreign key
CREATE TABLE t (a uuid REFERENCES lad_dev.registry (id))

-- a comment on the schema
COMMENT ON SCHEMA lad_dev IS 'x'

-- a function dropped
DROP FUNCTION lad_dev.f(int)

-- a policy's table
CREATE POLICY p ON lad_dev.registry USING (true)

-- a comparison by LIKE
SELECT 1 FROM pg_namespace WHERE nspname LIKE 'lad\_%'

-- a comparison with a set
SELECT 1 FROM pg_namespace WHERE nspname = ANY (ARRAY['lad_dev'])

-- a schema that an alias is named like
SELECT 1 FROM lad_dev.registry lad_dev

-- a column of such a table
SELECT registry.registry.id FROM registry
