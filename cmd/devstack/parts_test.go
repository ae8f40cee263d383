package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

func TestDevWorksWithAnotherDatabase(t *testing.T) {
	t.Parallel()
	server, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	const owner, password = "lads_owner", "an odd @ word/"
	conn := connect(t, server.AdminURL())
	for _, statement := range []string{
		"CREATE ROLE " + owner + " LOGIN CREATEROLE PASSWORD '" + password + "'", "CREATE DATABASE lad OWNER " + owner,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	databaseURL := server.URL(owner, password, "lad")

	// Twice, since people start it again on the same database.
	for range 2 {
		d := startDev(t, launch{args: []string{"--database-url", databaseURL}})
		if strings.Contains(d.errOut.String(), "PostgreSQL") {
			t.Errorf("it started a server of its own: %s", &d.errOut)
		}
		user := d.user(0)
		id := user.Book(t, time.Now(), nil)
		user.Await(t, id, "executed")
		var there bool
		lads := connect(t, databaseURL)
		query := `SELECT EXISTS (SELECT FROM "` + d.tenants[0].Schema + `".lead_bookings WHERE id = $1)`
		if err := lads.QueryRow(t.Context(), query, id).Scan(&there); err != nil || !there {
			t.Errorf("the booking is not in the database that was given (%v)", err)
		}
		if err := d.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		d.awaitEnd(t)
	}
}

func TestDevWorksWithAnotherCloudTasks(t *testing.T) {
	t.Parallel()
	attempts := make(chan cloudtasks.Attempt, 10)
	other, err := cloudtasks.Start(context.Background(), cloudtasks.Options{
		Logger:    slog.New(slog.DiscardHandler),
		OnAttempt: func(a cloudtasks.Attempt) { attempts <- a },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	d := startDev(t, launch{
		args: []string{"--cloud-tasks", other.Addr},
		env: []string{"FOLLOWUP_OIDC_ISSUER=" + other.Issuer, "FOLLOWUP_OIDC_CERTS_URL=" + other.CertsURL,
			"GCP_PROJECT_ID=another-project", "FOLLOWUP_QUEUE_NAME=another-queue"},
	})
	user := d.user(0)
	user.Await(t, user.Book(t, time.Now(), nil), "executed")
	select {
	case a := <-attempts:
		if !strings.HasPrefix(a.Task, "projects/another-project/locations/local-region1/queues/another-queue/tasks/") || a.HTTPStatus != 200 {
			t.Errorf("the other server tried %+v", a)
		}
	case <-time.After(stacktest.Patience):
		t.Error("the other server has sent nothing")
	}
}

func TestDevWorksWithAnotherVoiceAgent(t *testing.T) {
	t.Parallel()
	const secret = "the-other-agents-secret"
	other, err := voiceagent.New(voiceagent.Options{Logger: slog.New(slog.DiscardHandler), Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(other)
	t.Cleanup(server.Close)
	d := startDev(t, launch{
		args: []string{"--voice-agent", server.URL + "/"},
		env:  []string{"INTERNAL_SERVICE_SECRET=" + secret},
	})
	user := d.user(1)
	id := user.Book(t, time.Now(), nil)
	user.Await(t, id, "executed")
	if calls := other.Calls(id); len(calls) != 1 || calls[0].TenantID != user.Tenant {
		t.Errorf("the other agent saw %+v", calls)
	}
	front, err := url.JoinPath(d.url, voiceagent.CallsPath)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stacktest.Client.Get(front)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("the built-in agent's list answers %s", resp.Status)
	}
}
