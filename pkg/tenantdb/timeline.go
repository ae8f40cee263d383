package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// ErrTimeline says that the database is not on the time line that calls may be made on. It
// was restored to an earlier moment, or a replica has taken its place, and may have
// forgotten calls that were made.
var ErrTimeline = errors.New("the database's time line has changed: it may have forgotten calls (docs/playbooks/database-restored.md)")

// timelineSQL is the first eight digits of the name of the file that the database
// writes its log to (PostgreSQL documentation, "WAL Internals"), which everybody may
// ask for. pg_control_checkpoint says it too, but for a while after a promotion still
// the old one. During recovery there is none.
const timelineSQL = `SELECT CASE WHEN pg_is_in_recovery() THEN '0' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END`

// Timeline reads the database's time line; 0 during recovery.
func (db *DB) Timeline(ctx context.Context) (timeline uint32, err error) {
	err = db.inTx(ctx, func(tx transaction) error {
		timeline, err = readTimeline(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the database's time line: %w", err)
	}
	return timeline, nil
}

func readTimeline(ctx context.Context, tx transaction) (uint32, error) {
	var digits string
	if err := tx.QueryRow(ctx, timelineSQL).Scan(&digits); err != nil {
		return 0, err
	}
	timeline, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no time line: %w", digits, err)
	}
	return uint32(timeline), nil
}

// guard refuses a transaction on another time line than the one that is set. It is
// asked in each: behind a pooler the server may be another one each time.
func (db *DB) guard(ctx context.Context, tx transaction) error {
	if db.timeline == 0 {
		return nil
	}
	timeline, err := readTimeline(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the database's time line: %w", err)
	}
	if timeline != db.timeline {
		return fmt.Errorf("%w: it is %d, and FOLLOWUP_TIMELINE is %d", ErrTimeline, timeline, db.timeline)
	}
	return nil
}

// On is db that works on this time line alone, or with 0 on any. Closing either
// closes both.
func (db *DB) On(timeline uint32) *DB {
	other := *db
	other.timeline = timeline
	if s, ok := db.tenants.(*shared); ok { // it asks the views who there is
		other.tenants = &shared{db: &other, name: s.name}
	}
	return &other
}
