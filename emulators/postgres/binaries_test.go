package postgres

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lad.internal/followup/emulators/process/processtest"
)

var discard = slog.New(slog.DiscardHandler)

func fakeInstallation(t *testing.T, root, dir, version string) string {
	t.Helper()
	bin := filepath.Join(root, dir)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, name := range []string{"postgres", "initdb"} {
		processtest.WriteProgram(t, filepath.Join(bin, name), []byte(script))
	}
	return bin
}

func TestTheNewestInstallationComesFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old := fakeInstallation(t, root, "usr/lib/postgresql/9.6/bin", "9.6.24")
	fakeInstallation(t, root, "usr/lib/postgresql/13/bin", "13.1")
	newest := fakeInstallation(t, root, "usr/lib/postgresql/17/bin", "17.4 (Debian 17.4-1)")
	built := fakeInstallation(t, root, "usr/local/pgsql/bin", "18beta1")

	dirs := installedDirs(root)
	if len(dirs) != 4 || dirs[0] != newest || dirs[2] != old || dirs[3] != built {
		t.Errorf("order = %v", dirs)
	}
	got, err := firstUsable(t.Context(), dirs)
	if want := (Binaries{Dir: newest, Major: 17}); err != nil || got != want {
		t.Errorf("firstUsable = %v, %v, want %v", got, err, want)
	}
	got, err = firstUsable(t.Context(), []string{old, built})
	if want := (Binaries{Dir: built, Major: 18}); err != nil || got != want {
		t.Errorf("firstUsable = %v, %v, want %v", got, err, want)
	}
}

func TestAMachineWithoutAUsableServerIsToldWhy(t *testing.T) {
	t.Parallel()
	old := fakeInstallation(t, t.TempDir(), "bin", "12.22")
	broken := fakeInstallation(t, t.TempDir(), "bin", "of no version")
	_, err := firstUsable(t.Context(), []string{old, broken})
	for _, words := range []string{old + ": PostgreSQL 12 is too old", broken + ": read the server's version"} {
		if !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), words) {
			t.Errorf("error = %v, want %q in it", err, words)
		}
	}
}

func TestTheOverrideIsTakenOrRefusedButNeverPassedOver(t *testing.T) {
	dir := fakeInstallation(t, t.TempDir(), "bin", "16.2")
	t.Setenv(BinEnv, dir)
	if got, err := FindBinaries(t.Context()); err != nil || got != (Binaries{Dir: dir, Major: 16}) {
		t.Errorf("FindBinaries = %v, %v", got, err)
	}
	t.Setenv(BinEnv, t.TempDir())
	_, err := Start(t.Context(), Options{})
	if err == nil || errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), BinEnv) {
		t.Errorf("error = %v, want a refusal that names %s", err, BinEnv)
	}
}

func TestWithoutAServerTheErrorSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := obtainFrom(t.Context(), discard, ErrNoBinaries, []source{{
		announcement: "trying in vain",
		get:          func(context.Context) (Binaries, error) { return Binaries{}, errors.New("no way out") },
	}})
	if !errors.Is(err, ErrNoBinaries) {
		t.Errorf("error = %v, want ErrNoBinaries", err)
	}
	for _, words := range []string{"apt-get install postgresql", "brew install postgresql", BinEnv, "no way out"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("error = %v, want %q in it", err, words)
		}
	}
}

func TestWhoeverIsStoppedWhileHeLooksInstallsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := obtainFrom(ctx, discard, ErrNoBinaries, []source{{
		announcement: "installing",
		get: func(context.Context) (Binaries, error) {
			t.Error("it went on to install a server")
			return Binaries{}, nil
		},
	}})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoBinaries) {
		t.Errorf("error = %v, want the cancellation alone", err)
	}
}

func TestFetchedBinariesAreUnpackedOnceAndRun(t *testing.T) {
	t.Parallel()
	local, err := FindBinaries(t.Context())
	if err != nil {
		t.Skip(err)
	}
	archive := repositoryArchive(t, local.Dir)
	var paths []string
	repository := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive)
	}))
	defer repository.Close()
	defer http.DefaultClient.CloseIdleConnections() // the library's client

	cache := openTempDir(t)
	binaries, err := fetch(t.Context(), cache, repository.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(binaries.Dir, cache) || binaries.Major != local.Major {
		t.Errorf("binaries = %v", binaries)
	}
	if again, err := fetch(t.Context(), cache, repository.URL); err != nil || again != binaries {
		t.Errorf("second fetch = %v, %v", again, err)
	}
	if jars := slices.DeleteFunc(paths, func(p string) bool { return !strings.HasSuffix(p, ".jar") }); len(jars) != 1 {
		t.Errorf("downloads = %v, want one", jars)
	}

	server, err := start(t.Context(), binaries, Options{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// repositoryArchive packs the programs of this machine as the embedded-postgres project does: a
// tar.xz in a zip. Moved programs look for libraries, and in some layouts for shared files, beside
// themselves.
func repositoryArchive(t *testing.T, binDir string) []byte {
	t.Helper()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip(err)
	}
	root := filepath.Dir(binDir)
	args := []string{"-C", root, "-I", "xz -0", "--exclude=bitcode", "--exclude=llvmjit*", "-chf", "-",
		"bin/postgres", "bin/initdb", "bin/pg_ctl"}
	for _, dir := range []string{"lib", "share"} {
		if _, err := os.Stat(filepath.Join(root, dir)); err == nil {
			args = append(args, dir)
		}
	}
	packed, err := exec.Command("tar", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	file, err := writer.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(packed); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}
