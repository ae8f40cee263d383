// Package functiontest is the world that the tests of the functions, and those of
// the whole in integration, run in: a real PostgreSQL with LAD's tables and this
// system's migrations, entered as followup_app, the local Cloud Tasks server behind
// the real client, the voice agent's stand-in behind the real one, and both
// functions on these.
//
// It is for tests only. It holds nothing that decides, and replaces no part of
// the product by an imitation.
package functiontest
