// Package postgres runs throw-away PostgreSQL servers for the local stack and for tests.
//
// A server lives in a temporary folder of its own, listens on a free port of 127.0.0.1 alone, asks
// for a random password, and is as durable as PostgreSQL is by itself. It is looked after by a keeper, a
// small /bin/sh script in a session of its own that holds the read end of a pipe: when this
// process closes the pipe or dies (Stop, Ctrl-C, kill, kill -9), the keeper stops the server and
// removes the folder.
//
// The package refuses to touch any other cluster of the machine: it neither reads PG* variables
// nor starts, stops or configures a server that it has not created. It is not for data that anybody
// wants to keep, and no product package may import it. It runs on Unix.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser       = "postgres"
	defaultMaxConns = 200
	startTimeout    = time.Minute
	portAttempts    = 5
)

// Options are the choices of a server. The zero value is a good one.
type Options struct {
	// Logger gets what the package does to the machine (info) and the server's own log (debug).
	// Nil discards both.
	Logger *slog.Logger

	// Settings are server parameters (PostgreSQL documentation, "Server Configuration"), on top of
	// this package's.
	Settings map[string]string

	// MaxConnections is max_connections; 0 means 200.
	MaxConnections int

	// TempDir is where the server's folder is made; empty means os.TempDir(). Should the account
	// that the server runs as be unable to write there, /tmp is taken.
	TempDir string
}

// Server is a running server. Its methods may be called concurrently.
type Server struct {
	port     int
	password string
	keeper   *keeper
	stop     sync.Once
	stopErr  error
}

// Start finds server binaries (see FindBinaries; installs or fetches them if there are none), makes
// a cluster and starts it. It returns when the server accepts connections; ctx bounds the start and
// not the server's life. The caller must call Stop.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	binaries, err := FindBinaries(ctx)
	if errors.Is(err, ErrNoBinaries) {
		binaries, err = obtainBinaries(ctx, options.Logger, err)
	}
	if err != nil {
		return nil, err
	}
	return start(ctx, binaries, options)
}

func start(ctx context.Context, binaries Binaries, options Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	var err error
	for range portAttempts {
		var port int
		if port, err = freePort(ctx); err != nil {
			return nil, err
		}
		var server *Server
		if server, err = startOn(ctx, port, binaries, options); err == nil {
			return server, nil
		}
		// Somebody may have taken the port since it was found free.
		if !strings.Contains(err.Error(), "could not bind") {
			break
		}
	}
	return nil, fmt.Errorf("start PostgreSQL %d from %s: %w", binaries.Major, binaries.Dir, err)
}

func startOn(ctx context.Context, port int, binaries Binaries, options Options) (*Server, error) {
	server := &Server{port: port, password: rand.Text()}
	var err error
	if server.keeper, err = startKeeper(ctx, binaries.Dir, server.password, serverSettings(port, options), options); err != nil {
		return nil, err
	}
	if err := server.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

func serverSettings(port int, options Options) map[string]string {
	maxConns := options.MaxConnections
	if maxConns == 0 {
		maxConns = defaultMaxConns
	}
	settings := map[string]string{
		"port":             strconv.Itoa(port),
		"listen_addresses": "127.0.0.1",
		"max_connections":  strconv.Itoa(maxConns),
		// A socket's path may not exceed about 100 bytes, which temporary folders do on some systems.
		"unix_socket_directories": "",
		// In the data folder, so that not even a killed server leaves a segment in /dev/shm.
		"dynamic_shared_memory_type": "mmap",
		// The log is read by this package, which looks for English sentences.
		"lc_messages": "C",
		"timezone":    "UTC",
	}
	maps.Copy(settings, options.Settings)
	return settings
}

func (s *Server) awaitReady(ctx context.Context) error {
	// Whoever else has taken the port may accept the connection and say nothing, so the server's end
	// must interrupt an attempt.
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-s.keeper.logEnded:
		case <-attempt.Done():
		}
	}()

	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := pgx.Connect(attempt, s.AdminURL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.keeper.logEnded:
			return fmt.Errorf("the server ended: %s", s.keeper.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w (last attempt: %w)", context.Cause(ctx), err)
		case <-poll.C:
		}
	}
}

// Stop ends the server and removes its folder. It returns when both are gone. Calling it again does
// nothing and gives the same answer.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if err := s.keeper.end(); err != nil {
			s.stopErr = fmt.Errorf("stop PostgreSQL in %s: %w", s.keeper.dir, err)
		}
	})
	return s.stopErr
}

// AdminURL is the connection URL of the superuser for the database "postgres".
func (s *Server) AdminURL() string { return s.URL(superuser, s.password, "postgres") }

// DatabaseURL is the connection URL of the superuser for a database.
func (s *Server) DatabaseURL(database string) string { return s.URL(superuser, s.password, database) }

// URL is the connection URL of a user for a database. It creates neither.
func (s *Server) URL(user, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase creates a database as a copy of template, or of the server's default template if
// that is empty. Nobody may be connected to the template meanwhile.
func (s *Server) CreateDatabase(ctx context.Context, name, template string) error {
	statement := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		statement += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	if err := s.exec(ctx, statement); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DropDatabase drops a database if it is there, and whoever is connected to it.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func (s *Server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
