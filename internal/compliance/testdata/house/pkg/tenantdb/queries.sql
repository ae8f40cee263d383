-- A fixture: a file of SQL in the repository layer is judged like the migrations.
SELECT id FROM leads WHERE tenant_id = $1;
SELECT id FROM leads WHERE id = $1; -- want #2
