package lad

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SeedAgent gives a tenant a voice agent of this id and an active number with it, unless it has them,
// or the schema has no table of agents.
func SeedAgent(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}, schema, tenant string, agent int64,
) error {
	agents, numbers := pgx.Identifier{schema, "voice_agents"}.Sanitize(), pgx.Identifier{schema, "voice_agent_numbers"}.Sanitize()
	var known bool
	err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, agents).Scan(&known)
	if err == nil && known {
		_, err = db.Exec(ctx, `
			WITH agent AS (
				INSERT INTO `+agents+` (id, tenant_id, name, language) VALUES ($1::bigint, $2, 'Agent ' || $1::bigint, 'en')
				ON CONFLICT (id) DO NOTHING
			)
			INSERT INTO `+numbers+` (tenant_id, country_code, base_number, provider, status, default_agent_id)
			SELECT $2, '+1', 2025550100 + $1::bigint % 100, 'example', 'active', $1::bigint
			WHERE NOT EXISTS (SELECT FROM `+numbers+` WHERE tenant_id = $2)`, agent, tenant)
	}
	if err != nil {
		return fmt.Errorf("seed tenant %s's voice agent: %w", tenant, err)
	}
	return nil
}

// Call is a call that the voice service is about to dispatch.
type Call struct {
	TenantID    string // as the caller says
	InitiatedBy string // a user
	LeadID      string
	AgentID     int64
	JobID       string
}

// LogCall writes LAD's log of a call, as the voice service does before it dispatches one, and returns
// the entry's id. The voice service files a call under the tenant of the user who initiated it,
// otherwise under that of the agent, whatever the caller says; here the caller is believed if neither
// is known.
func (s *Server) LogCall(ctx context.Context, c Call) (id string, err error) {
	of, err := s.filedUnder(ctx, c)
	if err != nil {
		return "", fmt.Errorf("log call %s: %w", c.JobID, err)
	}
	err = of.inSchema(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			INSERT INTO voice_call_logs (tenant_id, lead_id, agent_id, direction, status, started_at, initiated_by_user_id, metadata)
			VALUES ($1, NULLIF($2, '')::uuid, NULLIF($3, 0), 'outbound', 'in_queue', now(), NULLIF($4, '')::uuid, jsonb_build_object('job_id', $5::text))
			RETURNING id`, of.tenant, c.LeadID, c.AgentID, c.InitiatedBy, c.JobID).Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("log call %s: %w", c.JobID, err)
	}
	return id, nil
}

func (s *Server) filedUnder(ctx context.Context, c Call) (store, error) {
	caller, known := s.stores[c.TenantID]
	for _, owner := range []struct{ table, id string }{{"users", c.InitiatedBy}, {"voice_agents", fmt.Sprint(c.AgentID)}} {
		owns := func(of store) (yes bool, err error) {
			err = of.inSchema(ctx, func(tx pgx.Tx) error {
				return tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+owner.table+` WHERE id::text = $1 AND tenant_id = $2)`, owner.id, of.tenant).Scan(&yes)
			})
			return yes, err
		}
		if known {
			if yes, err := owns(caller); yes || err != nil {
				return caller, err
			}
		}
		for _, of := range s.stores {
			if yes, err := owns(of); yes || err != nil {
				return of, err
			}
		}
	}
	if !known {
		return store{}, errors.New("neither its user nor its agent nor its tenant is known")
	}
	return caller, nil
}
