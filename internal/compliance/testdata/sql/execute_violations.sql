-- in EXECUTE
DO $$ BEGIN EXECUTE 'ALTER TABLE lad_dev.registry ADD COLUMN x int'; END $$

-- in EXECUTE of a format
DO $$ DECLARE x text; BEGIN EXECUTE format('ALTER TABLE lad_dev.registry ADD COLUMN %I int', x); END $$

-- in EXECUTE of parts
DO $$ DECLARE x text; BEGIN EXECUTE 'SET search_path = lad_' || 'dev'; END $$

-- an argument of EXECUTE's format
DO $$ BEGIN EXECUTE format('SELECT 1 FROM %I.registry', 'lad_dev'); END $$

-- a quoted part of EXECUTE
DO $$ BEGIN EXECUTE 'SELECT 1 FROM ' || quote_ident('lad_dev') || '.registry'; END $$

-- EXECUTE of concat_ws
DO $$ BEGIN EXECUTE concat_ws('.', 'SELECT 1 FROM lad_dev', 'registry'); END $$
