package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// BinEnv names the environment variable that points to a folder with initdb and postgres. If it is
// set, nothing else is looked at.
const BinEnv = "FOLLOWUP_POSTGRES_BIN"

// MinMajor is the oldest major version that is taken: gen_random_uuid and DROP DATABASE … WITH
// (FORCE) are in the server itself since 13 (its release notes).
const MinMajor = 13

// ErrNoBinaries says that this machine has no PostgreSQL server that could be used.
var ErrNoBinaries = errors.New("no PostgreSQL server binaries found")

// Binaries is an installation of the server.
type Binaries struct {
	Dir   string // holds initdb and postgres
	Major int    // the server's major version, such as 17
}

// FindBinaries looks for an installed server: in the folder that BinEnv names, else on PATH, where
// pg_config points, and where Debian, Red Hat, Homebrew and the source distribution install, the
// newest version first. The error wraps ErrNoBinaries if there is none of version MinMajor or newer.
func FindBinaries(ctx context.Context) (Binaries, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		binaries, err := inspect(ctx, dir)
		if err != nil {
			return Binaries{}, fmt.Errorf("%s=%s: %w", BinEnv, dir, err)
		}
		return binaries, nil
	}
	return firstUsable(ctx, candidateDirs(ctx))
}

func firstUsable(ctx context.Context, dirs []string) (Binaries, error) {
	var reasons []string
	for _, dir := range dirs {
		binaries, err := inspect(ctx, dir)
		if err == nil {
			return binaries, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", dir, err))
	}
	if reasons != nil {
		return Binaries{}, fmt.Errorf("%w (%s)", ErrNoBinaries, strings.Join(reasons, "; "))
	}
	return Binaries{}, ErrNoBinaries
}

func candidateDirs(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// What is on PATH is often a link; initdb and the shared files are beside its target.
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(resolved))
		}
	}
	if output, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(output)))
	}
	return append(dirs, installedDirs("/")...)
}

// installedDirs are the usual folders below root that exist, the newest version first.
func installedDirs(root string) []string {
	var dirs []string
	for _, pattern := range []string{
		"usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"usr/pgsql-*/bin",                  // PGDG's packages for Red Hat
		"opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"usr/local/pgsql/bin", // built from source
	} {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the patterns are well-formed
		// Debian's 9.6 must come after its 17.
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(numberIn(b[len(root):]), numberIn(a[len(root):])) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var digits = regexp.MustCompile(`\d+`)

func numberIn(path string) int {
	number, _ := strconv.Atoi(digits.FindString(path))
	return number
}

var versionLine = regexp.MustCompile(`PostgreSQL\) (\d+)`)

func inspect(ctx context.Context, dir string) (Binaries, error) {
	output, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("ask for the server's version: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, fmt.Errorf("look for initdb beside postgres: %w", err)
	}
	match := versionLine.FindSubmatch(output)
	if match == nil {
		return Binaries{}, fmt.Errorf("read the server's version from %q", output)
	}
	major, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return Binaries{}, fmt.Errorf("read the server's version from %q: %w", output, err)
	}
	if major < MinMajor {
		return Binaries{}, fmt.Errorf("PostgreSQL %d is too old: %d or newer is needed", major, MinMajor)
	}
	return Binaries{Dir: dir, Major: major}, nil
}
