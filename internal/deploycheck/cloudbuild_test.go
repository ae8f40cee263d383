package deploycheck_test

import (
	"bytes"
	std "cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oasdiff/yaml"

	"lad.internal/followup/emulators/process/processtest"
)

// builds are the one that deploys and those that it submits, each with its account.
var builds = map[string]string{
	"cloudbuild.yaml":       "$_DEPLOYER",
	"cloudbuild.check.yaml": "${_NAME}-test@${PROJECT_ID}.iam.gserviceaccount.com",
	"cloudbuild.image.yaml": "${_NAME}-build@${PROJECT_ID}.iam.gserviceaccount.com",
}

// build is what is used of Cloud Build's file.
// https://cloud.google.com/build/docs/build-config-file-schema
type build struct {
	Substitutions           map[string]string
	Steps                   []step
	Images                  []string
	ServiceAccount, Timeout string
	Options                 struct {
		Logging, MachineType string
		DynamicSubstitutions bool
		Env                  []string
		Volumes              []struct{ Name, Path string }
	}
}

type step struct {
	ID, Name, Entrypoint, Timeout string
	Args, Env, WaitFor            []string
}

// readBuild reads a file as Cloud Build does: an unknown field is an error.
func readBuild(t *testing.T, file string) (b build) {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return b
}

// duration is 0 if there is none.
func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(std.Or(text, "0s"))
	if err != nil {
		t.Error(err)
	}
	return d
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var oneVersion = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?$|@sha256:[0-9a-f]{64}$`)

func TestBuilds(t *testing.T) {
	t.Parallel()
	makefile, script := readFile(t, "Makefile"), readFile(t, "scripts/deploy.sh")
	golang := "golang:" + regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "go.mod"))[1] + "."
	for file, account := range builds {
		b := readBuild(t, file)
		if want := "projects/$PROJECT_ID/serviceAccounts/" + account; b.ServiceAccount != want || b.Options.Logging != "CLOUD_LOGGING_ONLY" {
			t.Errorf("%s runs as %q, want %q, and logs to %q", file, b.ServiceAccount, want, b.Options.Logging)
		}
		for _, s := range b.Steps {
			if !oneVersion.MatchString(s.Name) || strings.HasPrefix(s.Name, "golang:") && !strings.HasPrefix(s.Name, golang) {
				t.Errorf("%s may be another one tomorrow, or is not go.mod's Go", s.Name)
			}
			switch {
			case s.Entrypoint == "make":
				if !strings.Contains(makefile, "\n"+s.Args[0]+":") {
					t.Errorf("%s: there is no make %s", file, s.Args[0])
				}
			case file != "cloudbuild.yaml" || s.Entrypoint == "gcloud":
			// In a build every step may do what the build's account may: the one that may
			// do everything runs none of the code.
			case s.Entrypoint != "sh" || s.Args[0] != "scripts/deploy.sh" || strings.HasPrefix(s.Name, "golang:"):
				t.Errorf("%s runs %s %q in %s", s.ID, s.Entrypoint, s.Args, s.Name)
			case !strings.Contains(script, "\n"+s.Args[1]+"() {"):
				t.Errorf("scripts/deploy.sh has no step %s", s.Args[1])
			}
		}
	}
}

// A step waits for those above it that it names, and they for theirs.
func TestDeploymentOrder(t *testing.T) {
	t.Parallel()
	var order []string
	for i, s := range readBuild(t, "cloudbuild.yaml").Steps {
		if i > 0 && !slices.Equal(s.WaitFor, order[i-1:]) {
			t.Errorf("%s waits for %v, and not for %s", s.ID, s.WaitFor, order[i-1])
		}
		order = append(order, s.ID)
		// A step that waits for a build of its own must not give up before that ends.
		if file := "cloudbuild." + s.ID + ".yaml"; builds[file] != "" {
			if least := duration(t, readBuild(t, file).Timeout) + 5*time.Minute; duration(t, s.Timeout) < least {
				t.Errorf("%s may take %s, and its build, with its queue, %v", s.ID, s.Timeout, least)
			}
		}
	}
	if want := []string{"check", "image", "settings", "plan", "migrate", "upload-and-apply", "migrate-again", "doctor", "smoke"}; !slices.Equal(order, want) {
		t.Errorf("the steps are %v, want %v", order, want)
	}
	for _, id := range []string{"vet", "test", "compliance", "build"} {
		if !slices.ContainsFunc(readBuild(t, "cloudbuild.check.yaml").Steps, func(s step) bool { return s.ID == id }) {
			t.Errorf("%s is not checked", id)
		}
	}
}

// program notes its words, answers what is asked for, and fails where it is to.
const program = `#!/bin/sh
echo "$(basename "$0") $*" >>calls
case "$*" in
*"$FAILS"*) exit 1 ;;
*describe*) echo "$IMAGE" ;;
*"jobs list"*) echo "$JOBS" ;;
esac
`

func TestDeployScript(t *testing.T) {
	t.Parallel()
	const digest = "europe-west1-docker.pkg.dev/lad-test/followup/command@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, c := range map[string]struct {
		words, image, jobs, fails string // fails is a part of the call that fails
		lock                      bool
		refused                   bool
		last                      string // part of its last call
	}{
		"image":                     {words: "image p r followup b1", image: digest, last: "images describe r-docker.pkg.dev/p/followup/command:b1"},
		"image without its digest":  {words: "image p r followup b1", image: "command:latest", refused: true, last: "describe"},
		"image that cannot be made": {words: "image p r followup b1", image: digest, fails: "submit", refused: true, last: "submit"},
		"plan":                      {words: "plan p r followup state", lock: true, last: "-var command_image=" + digest + " -out=../tmp/plan"},
		"plan of any provider":      {words: "plan p r followup state", refused: true},
		"plan that stops":           {words: "plan p r followup state", lock: true, fails: "-lockfile=readonly", refused: true, last: "init"},
		"apply":                     {words: "apply p r followup", last: "../tmp/plan"},
		"migrate":                   {words: "migrate p r followup", jobs: "followup-migrate", last: "jobs execute followup-migrate --project=p --region=r --wait"},
		"migrate, first time":       {words: "migrate p r followup", last: "jobs list"},
		"migrate, old image":        {words: "migrate p r followup", jobs: "followup-migrate", fails: "jobs update", refused: true, last: "--image=" + digest},
		"migrate, may not look":     {words: "migrate p r followup", fails: "jobs list", refused: true, last: "jobs list"},
		"doctor":                    {words: "job p r followup doctor", fails: "followup-doctor", refused: true, last: "jobs execute followup-doctor"},
		"smoke":                     {words: "smoke p r followup", jobs: "followup-smoke", fails: "execute", refused: true, last: "jobs execute followup-smoke"},
		"smoke without a canary":    {words: "smoke p r followup", last: "jobs list"},
		"no such step":              {words: "destroy p r followup", refused: true},
	} {
		work := t.TempDir()
		files := map[string]string{"bin/gcloud": program, "bin/terraform": program, "scripts/deploy.sh": readFile(t, "scripts/deploy.sh"), "tmp/command_image": digest}
		if c.lock {
			files["terraform/.terraform.lock.hcl"] = ""
		}
		for file, content := range files {
			if err := os.MkdirAll(filepath.Join(work, filepath.Dir(file)), 0o755); err != nil {
				t.Fatal(err)
			}
			processtest.WriteProgram(t, filepath.Join(work, file), []byte(content))
		}
		command := exec.CommandContext(t.Context(), "sh", append([]string{"scripts/deploy.sh"}, strings.Fields(c.words)...)...)
		command.Dir = work
		command.Env = []string{"PATH=" + work + "/bin:" + os.Getenv("PATH"), "IMAGE=" + c.image, "JOBS=" + c.jobs, "FAILS=" + std.Or(c.fails, "nothing")}
		said, err := command.CombinedOutput()
		text, _ := os.ReadFile(filepath.Join(work, "calls")) // none if there were no calls
		calls := strings.Split(strings.TrimSpace(string(text)), "\n")
		if last := calls[len(calls)-1]; (err != nil) != c.refused || !strings.Contains(last, c.last) || c.last == "" && last != "" {
			t.Errorf("%s: %v, its last call is %q\n%s", name, err, last, said)
		}
	}
}
