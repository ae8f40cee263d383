package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// noClusterConf tells postgresql-common (man pg_createcluster) not to create and start a cluster
// when the server's package is installed: that port and data folder are the user's business.
const noClusterConf = "/etc/postgresql-common/createcluster.d/followup-no-cluster.conf"

// source is a way to get a server onto a machine that has none.
type source struct {
	announcement string
	get          func(context.Context) (Binaries, error)
}

// obtainBinaries tries the sources that this process may use, in turn. missing is why one is needed.
func obtainBinaries(ctx context.Context, logger *slog.Logger, missing error) (Binaries, error) {
	return obtainFrom(ctx, logger, missing, sources(os.Geteuid()))
}

func sources(euid int) []source {
	var sources []source
	if _, err := exec.LookPath("apt-get"); err == nil && euid == 0 {
		sources = append(sources, source{
			announcement: "installing the Debian package postgresql, without a cluster of its own",
			get:          aptInstall,
		})
	}
	return append(sources, source{
		announcement: "fetching PostgreSQL " + string(embedded.V16) + " into the user's cache folder",
		get: func(ctx context.Context) (Binaries, error) {
			cache, err := cacheDir(euid)
			if err != nil {
				return Binaries{}, err
			}
			return fetch(ctx, cache, "")
		},
	})
}

func obtainFrom(ctx context.Context, logger *slog.Logger, missing error, sources []source) (Binaries, error) {
	var reasons []error
	for _, source := range sources {
		if ctx.Err() != nil {
			// Whoever is being stopped finds no server, installed or not: nothing is missing.
			return Binaries{}, fmt.Errorf("find PostgreSQL: %w", context.Cause(ctx))
		}
		logger.InfoContext(ctx, source.announcement, "reason", missing.Error())
		binaries, err := source.get(ctx)
		if err == nil {
			return binaries, nil
		}
		reasons = append(reasons, err)
	}
	return Binaries{}, fmt.Errorf("%w: install PostgreSQL %d or newer (Debian: apt-get install postgresql; macOS: brew install postgresql) or point %s to the folder with initdb and postgres: %w",
		missing, MinMajor, BinEnv, errors.Join(reasons...))
}

func aptInstall(ctx context.Context) (Binaries, error) {
	// Lists may be missing or stale, as in container images. The common part comes first: its folder
	// for settings must exist before the server's package runs its post-installation script.
	if err := apt(ctx, "update", "--quiet"); err != nil {
		return Binaries{}, err
	}
	if err := apt(ctx, "install", "--yes", "--quiet", "--no-install-recommends", "postgresql-common"); err != nil {
		return Binaries{}, err
	}
	if err := aptInstallServer(ctx); err != nil {
		return Binaries{}, err
	}
	return firstUsable(ctx, installedDirs("/"))
}

func aptInstallServer(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Dir(noClusterConf), 0o755); err != nil {
		return fmt.Errorf("keep Debian from creating a cluster: %w", err)
	}
	if err := os.WriteFile(noClusterConf, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return fmt.Errorf("keep Debian from creating a cluster: %w", err)
	}
	// The user's own later installations are to behave as ever.
	defer func() { err = errors.Join(err, os.Remove(noClusterConf)) }()
	return apt(ctx, "install", "--yes", "--quiet", "--no-install-recommends", "postgresql")
}

func apt(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "apt-get", args...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := command.CombinedOutput(); err != nil {
		lines := strings.Split(string(bytes.TrimSpace(output)), "\n")
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lines[len(lines)-1])
	}
	return nil
}

// cacheDir is where fetched binaries stay. Root's own cache is closed to the account that the server
// runs as.
func cacheDir(euid int) (string, error) {
	if euid == 0 {
		return "/var/cache/followup", nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for fetched binaries: %w", err)
	}
	return filepath.Join(base, "followup"), nil
}

// fetch downloads the binaries that the embedded-postgres project publishes into cache, or takes
// them from there. An empty repository means the project's own.
//
// The library has no way to fetch alone: Start fetches, unpacks, runs initdb and the server. A
// locale that no machine has makes initdb refuse, so that no server is started without a keeper.
// The library takes no context; on cancellation the download is left behind to finish.
func fetch(ctx context.Context, cache, repository string) (Binaries, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	scratch, err := os.MkdirTemp("", "followup-fetch")
	if err != nil {
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	installation := filepath.Join(cache, "postgres-"+string(embedded.V16))
	port, err := freePort(ctx)
	if err != nil {
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	config := embedded.DefaultConfig().
		Version(embedded.V16).
		Port(uint32(port)).
		CachePath(cache).
		BinariesPath(installation).
		RuntimePath(filepath.Join(scratch, "runtime")).
		DataPath(filepath.Join(scratch, "data")).
		Locale("no-such-locale").
		Logger(io.Discard)
	if repository != "" {
		config = config.BinaryRepositoryURL(repository)
	}

	fetched := make(chan error, 1)
	logs := libraryLogs()
	go func() {
		server := embedded.NewDatabase(config)
		err := server.Start()
		if err == nil {
			err = server.Stop()
		}
		for log := range libraryLogs() {
			if !logs[log] {
				_ = os.Remove(log)
			}
		}
		fetched <- errors.Join(err, os.RemoveAll(scratch))
	}()
	select {
	case err = <-fetched:
	case <-ctx.Done():
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w", context.Cause(ctx))
	}
	binaries, inspectErr := inspect(ctx, filepath.Join(installation, "bin"))
	if inspectErr != nil {
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w (%w)", err, inspectErr)
	}
	return binaries, nil
}

// libraryLogs are the files that the library leaves in the temporary folder when initdb fails.
func libraryLogs() map[string]bool {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), "embedded_postgres_log*")) // the pattern is well-formed
	logs := map[string]bool{}
	for _, log := range found {
		logs[log] = true
	}
	return logs
}
