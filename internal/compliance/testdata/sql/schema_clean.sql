-- unqualified names
SELECT r.id, r.* FROM registry r WHERE plan(r.id) = 1

-- the catalogue, which is the same in every database
SELECT 1 FROM pg_catalog.pg_class c, information_schema.tables WHERE c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid)

-- types that PostgreSQL itself qualifies
SELECT $1::int, $2::varchar(3), EXTRACT(day FROM now()), $3::pg_catalog.text

-- a schema from outside
SELECT 1 FROM pg_namespace WHERE nspname = $1 AND has_schema_privilege(oid, 'USAGE')

-- a path from outside
SELECT set_config('search_path', $1, true), set_config('lock_timeout', 'lad_dev', true)

-- a path of PostgreSQL's own
SET search_path = pg_catalog, pg_temp

-- a path reset
RESET search_path; SET search_path TO DEFAULT

-- other settings
SET statement_timeout = 0; SET LOCAL lock_timeout = '2s'

-- names without a schema
SELECT to_regclass('registry'), 'registry'::regclass, has_table_privilege('registry', 'SELECT')

-- a number with a dot, and other text with one
SELECT 1.5, 'lad_dev.registry' || $1, E'a.b'

-- the field of a row
SELECT (r).id, ((r).a).b FROM registry r

-- a column and a trigger of a table
COMMENT ON COLUMN registry.id IS 'lad_dev.registry'; DROP TRIGGER t ON registry

-- the schema's name, asked of the database
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO followup_app', current_schema()); END $$
