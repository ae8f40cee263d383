package compliance

// Rules are what the repository is held to.
type Rules struct {
	// TenantRelations are the tables and views that hold rows of many tenants.
	TenantRelations []string
	// Setting names the caller's tenant to the database.
	Setting string
	// Views that read tenant relations without a filter, and why.
	Views map[string]string
	// Exceptions are the statements that may do what the rules forbid.
	Exceptions []Exception
	// Idempotency are the tests that must be there and pass.
	Idempotency []IdempotencyTest
}

// Exception is one statement, or one SQL text that is put together at run time,
// that the checks let pass.
type Exception struct {
	// Package is the folder it is in, relative to the repository.
	Package string
	// SQL is its text; white space does not count, and … stands for any constant
	// text. A part that is not a constant is the Go expression between ⟨ and ⟩.
	SQL string
	// Reason says why this is safe.
	Reason string
}

// IdempotencyTest is a test that proves a handler idempotent.
type IdempotencyTest struct {
	Package string // its folder
	Name    string
	Proves  string
}

// LAD is what LAD asks of its services.
func LAD() Rules {
	return Rules{
		TenantRelations: []string{"lead_bookings", "leads", "lead_notes", "followup_bookings", "followup_leads",
			"followup_agents", "followup_numbers", "followup_call_log", "voice_agents", "voice_agent_numbers", "voice_call_logs"},
		Setting: "app.tenant_id",
		Views: map[string]string{
			"followup_agents":  "shows the tenant's voice agents, and those that belong to no tenant",
			"followup_tenants": "tells the sweep whom to visit: it shows tenant ids and nothing else",
		},
		Exceptions:  exceptions,
		Idempotency: idempotencyTests,
	}
}

var idempotencyTests = []IdempotencyTest{
	{"functions/execute", "TestASecondExecutionSucceedsWithoutAskingTheVoiceAgent", "a task that comes again does not dial"},
	{"functions/execute", "TestAHundredDeliveriesAtOnceMakeOneCall", "nor do copies that come at once"},
	{"functions/execute", "TestAnUnclearCommitIsNeverDialledOnAndTheClaimIsGivenBack", "nor does a task whose claim may or may not hold"},
	{"functions/execute", "TestATaskForAnotherTimeDoesNothing", "nor does one that was superseded"},
	{"functions/schedule", "TestAnEventThatMeetsAFaultFailsAndSucceedsWhenItComesAgain", "an event that failed half-way is repeated safely"},
	{"functions/schedule", "TestTheSameEventFiftyTimesAtOnceMakesOneTask", "an event that comes again makes no second task"},
	{"functions/schedule", "TestSweepsAndEventsAtOnceMakeOneTask", "nor does a sweep beside it"},
}

var exceptions = []Exception{
	{
		Package: "pkg/tenantdb",
		SQL:     `SELECT schema_name::text FROM ⟨relation.Sanitize()⟩ WHERE tenant_id = $1`,
		Reason:  "the registry's name is a setting; pgx quotes it, and it is no tenant relation",
	},
	{
		Package: "pkg/tenantdb",
		SQL:     `SELECT tenant_id FROM ⟨relation.Sanitize()⟩ WHERE schema_name IS NOT NULL ORDER BY tenant_id`,
		Reason:  "likewise; it reads tenant ids and nothing else",
	},
	{
		Package: "pkg/tenantdb/operatordb",
		SQL:     `…⟨f.conditions()⟩ ORDER BY …`,
		Reason: "further conditions of a list, put together from constants of that file with AND; " +
			"the statement before them filters, and is judged as the constant that it is",
	},
	{
		Package: "pkg/tenantdb/operatordb",
		SQL: `SELECT EXISTS (SELECT FROM followup_bookings), EXISTS (SELECT FROM followup_leads),
			EXISTS (SELECT FROM followup_agents WHERE tenant_id IS NOT NULL), EXISTS (SELECT FROM followup_numbers), EXISTS (SELECT FROM followup_call_log)`,
		Reason: "doctor asks whether the views themselves keep tenants apart, with yes or no for an answer",
	},
	{
		Package: "pkg/tenantdb",
		SQL:     `SELECT id, shared FROM followup_agents WHERE tenant_id = $1 OR tenant_id IS NULL ORDER BY length(id), id LIMIT 1000`,
		Reason:  "an agent of no tenant may be used by all",
	},
	{
		Package: "migrations",
		SQL:     `SELECT tenant_id, claimed_at, NULL::timestamptz, false FROM …lead_bookings WHERE claimed_at >= $1 UNION ALL …`,
		Reason:  "the voice service limits the calls of all tenants together: it shows ids and times alone",
	},
	{
		Package: "migrations",
		SQL:     `⟨Statements(string(content))⟩`,
		Reason:  "the migrations, which are judged as files",
	},
	{
		Package: "migrations",
		SQL:     `⟨createIndex.ReplaceAllString(statement, "CREATE ${1}INDEX CONCURRENTLY IF NOT EXISTS $2")⟩`,
		Reason:  "a migration's CREATE INDEX, made concurrent",
	},
	{
		Package: "migrations",
		SQL:     `SET search_path = ⟨pgx.Identifier{schema}.Sanitize()⟩; SET statement_timeout = 0`,
		Reason:  "SET takes no parameters; the schema is the caller's, quoted by pgx",
	},
	{
		Package: "migrations",
		SQL:     `SET LOCAL search_path = ⟨pgx.Identifier{schema}.Sanitize()⟩`,
		Reason:  "likewise",
	},
	{
		Package: "migrations",
		SQL:     `⟨fmt.Sprintf("SET lock_timeout = %d", lockTimeout.Milliseconds())⟩`,
		Reason:  "likewise; a number",
	},
	{
		Package: "migrations",
		SQL:     `DROP INDEX CONCURRENTLY IF EXISTS ⟨pgx.Identifier{name}.Sanitize()⟩`,
		Reason:  "an index that a migration is about to build again, quoted by pgx",
	},
	{
		Package: "migrations",
		SQL: `UPDATE lead_bookings SET task_status = 'failed', last_execution_error = …
			WHERE task_status = 'in_progress' OR task_status = 'failed' AND task_reason = 'outcome_unknown'`,
		Reason: "a migration's rollback is of a schema with all its tenants, by the owner of LAD's tables",
	},
	{
		Package: "migrations",
		SQL:     `UPDATE lead_bookings SET task_status = 'failed' WHERE task_status = 'in_progress'`,
		Reason:  "likewise",
	},
}
