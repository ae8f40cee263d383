-- Newer databases mark deleted notes.
ALTER TABLE lead_notes ADD COLUMN is_deleted boolean DEFAULT false;
