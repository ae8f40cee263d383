package deploycheck_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/emulators/process/processtest"
)

// fake stands for gcloud and terraform: it notes its words, answers what
// is asked for, and fails where the test wants it to.
const fake = `#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$(basename "$0") $*" in
"gcloud artifacts docker images describe"*) echo "$IMAGE" ;;
"gcloud run jobs list"*"--filter=metadata.name=followup-"*)
	for job in $JOBS; do
		case "$*" in *"--filter=metadata.name=$job "*) echo "$job" ;; esac
	done ;;
"gcloud storage cp"*) touch "$4" ;;
esac
[ -z "$FAILS" ] || case "$(basename "$0") $*" in *"$FAILS"*) exit 1 ;; esac
`

const commandImage = "europe-west1-docker.pkg.dev/lad-test/followup/command@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// deployment runs the steps of cloudbuild.yaml, one after the other until one
// fails, with fakes for the programs in their images.
type deployment struct {
	jobs  string // those that are there before
	fails string // part of the call that fails
	image string
	// noLock leaves out the providers' checksums.
	noLock bool

	calls []string
	ended []string // the steps that have succeeded
	said  string
}

func (d *deployment) run(t *testing.T) *deployment {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bin/gcloud", "bin/terraform", "work/scripts/deploy.sh", "work/terraform/.terraform.lock.hcl"} {
		content := fake
		switch {
		case strings.HasSuffix(name, ".lock.hcl") && d.noLock:
			continue
		case strings.HasPrefix(name, "work/scripts"):
			content = readFile(t, "scripts/deploy.sh")
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		processtest.WriteProgram(t, filepath.Join(dir, name), []byte(content))
	}
	if d.image == "" {
		d.image = commandImage
	}
	env := []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "CALLS=" + filepath.Join(dir, "calls"),
		"IMAGE=" + d.image, "JOBS=" + d.jobs, "FAILS=" + d.fails}
	build := readBuild(t, deployBuild)
	for _, step := range build.GetSteps() {
		var words []string
		for _, word := range step.GetArgs() {
			words = append(words, substituted(build, word))
		}
		program := step.GetEntrypoint()
		if program == "gcloud" {
			program = filepath.Join(dir, "bin/gcloud") // and never a real one
		}
		command := exec.CommandContext(t.Context(), program, words...)
		command.Dir, command.Env = filepath.Join(dir, "work"), env
		said, err := command.CombinedOutput()
		d.said += string(said)
		if err != nil {
			break
		}
		d.ended = append(d.ended, step.GetId())
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	d.calls = strings.Split(strings.TrimSpace(string(calls)), "\n")
	return d
}

// substituted is the text as Cloud Build gives it to a step.
func substituted(build *cloudbuildpb.Build, text string) string {
	return substitution.ReplaceAllStringFunc(text, func(match string) string {
		name := strings.Trim(match, "${}")
		if value, ok := build.GetSubstitutions()[name]; ok {
			return substituted(build, value)
		}
		return map[string]string{"PROJECT_ID": "lad-test", "BUILD_ID": "b1"}[name]
	})
}

const (
	where      = " --project=lad-test --region=europe-west1"
	runMigrate = "gcloud run jobs execute followup-migrate" + where + " --wait"
	runDoctor  = "gcloud run jobs execute followup-doctor" + where + " --wait"
	runSmoke   = "gcloud run jobs execute followup-smoke" + where + " --wait"
	apply      = "terraform -chdir=terraform apply -input=false -lock-timeout=10m ../tmp/plan"
)

func submitting(file, substitutions string) string {
	return "gcloud builds submit ." + where + " --config=" + file + " --substitutions=" + substitutions +
		" --gcs-source-staging-dir=gs://lad-test-followup-source/builds"
}

func listing(job string) string {
	return "gcloud run jobs list" + where + " --filter=metadata.name=followup-" + job + " --format=value(metadata.name)"
}

func TestADeploymentMigratesWithTheNewImageBeforeItAppliesAndTriesItAfterwards(t *testing.T) {
	t.Parallel()
	d := (&deployment{jobs: "followup-migrate followup-doctor followup-smoke"}).run(t)
	tagged := "europe-west1-docker.pkg.dev/lad-test/followup/command:b1"
	want := []string{
		submitting("cloudbuild.check.yaml", "_NAME=followup"),
		submitting("cloudbuild.image.yaml", "_NAME=followup,_REGION=europe-west1,_TAG=b1"),
		"gcloud artifacts docker images describe " + tagged + " --project=lad-test --format=value(image_summary.fully_qualified_digest)",
		"gcloud storage cp gs://lad-test-followup-state/terraform.tfvars tmp/terraform.tfvars",
		"terraform -chdir=terraform init -input=false -lockfile=readonly -backend-config=bucket=lad-test-followup-state",
		"terraform -chdir=terraform plan -input=false -lock-timeout=10m -var-file=../tmp/terraform.tfvars" +
			" -var project_id=lad-test -var region=europe-west1 -var name=followup -var command_image=" + commandImage + " -out=../tmp/plan",
		listing("migrate"),
		"gcloud run jobs update followup-migrate" + where + " --image=" + commandImage,
		runMigrate, apply, runMigrate, runDoctor, listing("smoke"), runSmoke,
	}
	if diff := cmp.Diff(want, d.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s\n%s", diff, d.said)
	}
	if last := d.ended[len(d.ended)-1]; last != "smoke" {
		t.Errorf("it ended after %s", last)
	}
}

func TestTheFirstDeploymentMigratesAfterItsApply(t *testing.T) {
	t.Parallel()
	d := (&deployment{}).run(t)
	if got := d.calls[max(0, len(d.calls)-5):]; !slices.Equal(got, []string{listing("migrate"), apply, runMigrate, runDoctor, listing("smoke")}) {
		t.Errorf("its last calls are %q\n%s", got, d.said)
	}
	if !strings.Contains(d.said, "SKIPPED: there is no job followup-smoke") {
		t.Errorf("it does not say that nobody has tried a call: %s", d.said)
	}
}

func TestADeploymentStopsAtTheStepThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails, image, last, never string
		noLock                    bool
	}{
		{fails: "cloudbuild.check.yaml", never: "cloudbuild.image.yaml"},
		{fails: "cloudbuild.image.yaml", last: "check", never: "terraform"},
		{image: "a-tag:latest", last: "check", never: "terraform"},
		{noLock: true, last: "settings", never: "terraform -chdir"},
		{fails: " plan ", last: "settings", never: "run jobs"},
		{fails: "jobs list" + where + " --filter=metadata.name=followup-migrate", last: "plan", never: " apply "},
		{fails: "jobs update", last: "plan", never: " apply "},
		{fails: "execute followup-migrate", last: "plan", never: " apply "},
		{fails: " apply ", last: "migrate", never: "followup-doctor"},
		{fails: "execute followup-doctor", last: "migrate-again", never: "followup-smoke"},
		{fails: "followup-smoke", last: "doctor", never: "execute followup-smoke"},
		{fails: "execute followup-smoke", last: "doctor", never: "nothing"},
	} {
		d := (&deployment{jobs: "followup-migrate followup-doctor followup-smoke", fails: c.fails, image: c.image, noLock: c.noLock}).run(t)
		last := ""
		if len(d.ended) > 0 {
			last = d.ended[len(d.ended)-1]
		}
		if last != c.last || strings.Contains(strings.Join(d.calls, "\n"), c.never) {
			t.Errorf("%+v: it ended after %q, with the calls\n%s", c, last, strings.Join(d.calls, "\n"))
		}
	}
}
