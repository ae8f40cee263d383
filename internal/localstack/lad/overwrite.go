package lad

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Snapshot is the task columns of a booking that LAD has, as LAD has read them.
type Snapshot struct {
	tenant, id string
	columns    taskColumns
}

type taskColumns struct {
	TaskStatus         *string
	TaskName           *string
	TaskScheduledAt    *time.Time
	ExecutedAt         *time.Time
	ExecutionAttempts  *int
	LastExecutionError *string
	IdempotencyKey     *string
}

// Snapshot reads a booking as the first half of LAD's generic update does.
func (s *Server) Snapshot(ctx context.Context, tenant, id string) (Snapshot, error) {
	shot := Snapshot{tenant: tenant, id: id}
	err := s.stores[tenant].inSchema(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT task_status, task_name, task_scheduled_at, executed_at, execution_attempts, last_execution_error, idempotency_key
			FROM lead_bookings WHERE tenant_id = $1 AND id = $2`, tenant, id)
		if err == nil {
			shot.columns, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[taskColumns])
		}
		return err
	})
	if err != nil {
		return shot, fmt.Errorf("read booking %s for a generic update: %w", id, err)
	}
	return shot, nil
}

// WriteBack is the second half: it writes all of them as they were, whatever has become of the row.
func (s *Server) WriteBack(ctx context.Context, shot Snapshot) error {
	c := shot.columns
	err := s.stores[shot.tenant].inSchema(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE lead_bookings
			SET task_status = $3, task_name = $4, task_scheduled_at = $5, executed_at = $6, execution_attempts = $7,
				last_execution_error = $8, idempotency_key = $9, updated_at = now()
			WHERE tenant_id = $1 AND id = $2`,
			shot.tenant, shot.id, c.TaskStatus, c.TaskName, c.TaskScheduledAt, c.ExecutedAt, c.ExecutionAttempts,
			c.LastExecutionError, c.IdempotencyKey)
		return err
	})
	if err != nil {
		return fmt.Errorf("write booking %s back: %w", shot.id, err)
	}
	return nil
}
