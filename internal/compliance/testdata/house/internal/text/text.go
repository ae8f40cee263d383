// Package text is a fixture: SQL outside the repository layer.
package text

// Outside breaks the house's rule and LAD's.
const Outside = `SELECT id FROM leads WHERE id = $1` // want #2

// Filtered breaks the house's only.
const Filtered = `SELECT id FROM leads WHERE tenant_id = $1` // want #2

// English is no SQL, though it parses.
const English = "begin work"

// Task is neither.
const Task = "execute task"

// Hidden begins like English.
const Hidden = "begin; DELETE FROM leads" // want #2
