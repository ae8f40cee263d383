// Package postgrestest gives each test a database of its own on one throw-away server per test
// binary.
//
// Setting a database up is done once: the result is kept as a template and cloned per test. The
// package is for tests only and refuses nothing that package postgres does not.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"lad.internal/followup/emulators/postgres"
)

// Template describes how a database is set up before its first use.
type Template struct {
	// Key identifies the template among those of the test binary: equal keys, equal set-up.
	Key string

	// Setup fills an empty database, given the superuser's connection URL. It must close its
	// connections. Roles belong to the whole server: another template may have created them already.
	// Nil leaves the database empty.
	Setup func(ctx context.Context, adminURL string) error
}

// Database is a database of one test.
type Database struct {
	// AdminURL is the superuser's connection URL.
	AdminURL string

	name   string
	server *postgres.Server
}

// URL is the connection URL of another role.
func (d *Database) URL(user, password string) string {
	return d.server.URL(user, password, d.name)
}

// Settings are the server's, for a TestMain to change. Nothing is synced to the disk, which
// takes 40 times as long as the rest of a commit: a server that is killed loses none all the same,
// and no test makes the machine crash.
var Settings = map[string]string{"fsync": "off"}

var shared struct {
	once   sync.Once
	server *postgres.Server
	err    error

	serial    atomic.Int64
	templates sync.Map // Template.Key → func() (string, error)
}

// Main runs the tests, stops the server if one was started, fails the run if a goroutine is left,
// and exits. TestMain calls it, with the goroutines that its libraries never end.
func Main(m *testing.M, left ...goleak.Option) {
	code := m.Run()
	if err := Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if code == 0 {
		// The Cloud SQL connector's metrics start a worker when they are imported, for good.
		if err := goleak.Find(append(left, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Stop stops the server, if one was started. It is for a TestMain that has more to do than Main,
// which calls it.
func Stop() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.Stop()
}

// NewDatabase clones the template, which it sets up at first. The database is dropped when the test
// ends. Tests may call it in parallel.
func NewDatabase(t testing.TB, template Template) *Database {
	t.Helper()
	ctx := t.Context()
	server, err := server()
	if err != nil {
		t.Fatal(err)
	}
	source, err := prepared(server, template)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", shared.serial.Add(1))
	if err := server.CreateDatabase(ctx, name, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.DropDatabase(context.WithoutCancel(ctx), name); err != nil {
			t.Error(err)
		}
	})
	return &Database{AdminURL: server.DatabaseURL(name), name: name, server: server}
}

// server starts the one server. It does not take a test's context: it outlives the test.
func server() (*postgres.Server, error) {
	shared.once.Do(func() {
		shared.server, shared.err = postgres.Start(context.Background(), postgres.Options{
			Settings:       Settings,
			MaxConnections: 500, // of all the tests that run at once, on a machine of any size
		})
	})
	return shared.server, shared.err
}

func prepared(server *postgres.Server, template Template) (string, error) {
	prepare := sync.OnceValues(func() (string, error) {
		name := fmt.Sprintf("template_%d", shared.serial.Add(1))
		ctx := context.Background()
		if err := server.CreateDatabase(ctx, name, ""); err != nil {
			return "", err
		}
		if template.Setup == nil {
			return name, nil
		}
		if err := template.Setup(ctx, server.DatabaseURL(name)); err != nil {
			return "", fmt.Errorf("set up template %q: %w", template.Key, err)
		}
		return name, nil
	})
	if template.Key == "" {
		return "", errors.New("a template needs a key")
	}
	once, _ := shared.templates.LoadOrStore(template.Key, prepare)
	return once.(func() (string, error))()
}
