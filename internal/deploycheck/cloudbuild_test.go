package deploycheck_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"github.com/oasdiff/yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The build that deploys, and those that it submits and waits for.
const (
	deployBuild = "cloudbuild.yaml"
	checkBuild  = "cloudbuild.check.yaml"
	imageBuild  = "cloudbuild.image.yaml"
)

var allBuilds = []string{deployBuild, checkBuild, imageBuild}

// readBuild reads a file as Cloud Build does: an unknown field is an error.
func readBuild(t *testing.T, file string) *cloudbuildpb.Build {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	build := &cloudbuildpb.Build{}
	if err := protojson.Unmarshal(text, build); err != nil {
		t.Fatal(err)
	}
	return build
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// builtIn are Cloud Build's own substitutions that exist in every build, however
// it was started. https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values
var builtIn = []string{"BUILD_ID", "LOCATION", "PROJECT_ID", "PROJECT_NUMBER"}

// substitution is $NAME or ${NAME}. $$ stands for a dollar.
var substitution = regexp.MustCompile(`\$\$|\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)

// texts are all texts in a message.
func texts(message protoreflect.Message) (found []string) {
	var visit func(protoreflect.FieldDescriptor, protoreflect.Value)
	visit = func(field protoreflect.FieldDescriptor, value protoreflect.Value) {
		switch {
		case field.IsMap():
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				visit(field.MapValue(), v)
				return true
			})
		case field.Kind() == protoreflect.StringKind && field.IsList():
			for i := range value.List().Len() {
				found = append(found, value.List().Get(i).String())
			}
		case field.Kind() == protoreflect.StringKind:
			found = append(found, value.String())
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for i := range value.List().Len() {
				found = append(found, texts(value.List().Get(i).Message())...)
			}
		case field.Kind() == protoreflect.MessageKind:
			found = append(found, texts(value.Message())...)
		}
	}
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		visit(field, value)
		return true
	})
	return found
}

func TestEverySubstitutionOfABuildIsDeclaredAndUsed(t *testing.T) {
	t.Parallel()
	for _, file := range allBuilds {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			checkSubstitutions(t, readBuild(t, file))
		})
	}
}

func checkSubstitutions(t *testing.T, build *cloudbuildpb.Build) {
	t.Helper()
	used := map[string]bool{}
	for _, text := range texts(build.ProtoReflect()) {
		for _, match := range substitution.FindAllStringSubmatch(text, -1) {
			if match[1] != "" {
				used[match[1]] = true
			}
		}
	}
	for name := range used {
		_, declared := build.GetSubstitutions()[name]
		if !declared && !slices.Contains(builtIn, name) {
			t.Errorf("$%s is used, and neither declared nor one of %v", name, builtIn)
		}
	}
	for name, value := range build.GetSubstitutions() {
		if !regexp.MustCompile(`^_[A-Z][A-Z0-9_]*$`).MatchString(name) {
			t.Errorf("%s is declared: the names of one's own begin with _", name)
		}
		if !used[name] {
			t.Errorf("%s is declared, and not used", name)
		}
		if strings.Contains(value, "$") && !build.GetOptions().GetDynamicSubstitutions() {
			t.Errorf("%s is made of others, which takes dynamicSubstitutions", name)
		}
	}
	if len(used) < 2 {
		t.Errorf("found the substitutions %v alone: does this test still find them?", slices.Sorted(maps.Keys(used)))
	}
}

var (
	exactTag = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?$`)
	digest   = regexp.MustCompile(`^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$`)
	from     = regexp.MustCompile(`(?m)^FROM (\S+)`)
)

func TestEachImageIsOfOneVersion(t *testing.T) {
	t.Parallel()
	var images []string
	for _, file := range allBuilds {
		for _, step := range readBuild(t, file).GetSteps() {
			images = append(images, step.GetName())
		}
	}
	for _, line := range from.FindAllStringSubmatch(readFile(t, "cmd/followup/Dockerfile"), -1) {
		if line[1] != "scratch" {
			images = append(images, line[1])
		}
	}
	goMinor := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "go.mod"))[1]
	for _, image := range images {
		if !exactTag.MatchString(image) && !digest.MatchString(image) {
			t.Errorf("%s may be another one tomorrow: give it a whole version or a digest", image)
		}
		if strings.HasPrefix(image, "golang:") && !strings.HasPrefix(image, "golang:"+goMinor+".") {
			t.Errorf("%s is not the Go %s of go.mod", image, goMinor)
		}
	}
}

// file is a path as it is written in a command.
var file = regexp.MustCompile(`(?:^|[\s"'=])((?:cmd|docs|functions|internal|pkg|scripts|terraform)/[\w./-]+)`)

func TestEveryFileAndTargetThatABuildNamesExists(t *testing.T) {
	t.Parallel()
	named := 0
	commands := []string{readFile(t, "scripts/deploy.sh")}
	makefile := readFile(t, "Makefile")
	var steps []*cloudbuildpb.BuildStep
	for _, file := range allBuilds {
		steps = append(steps, readBuild(t, file).GetSteps()...)
	}
	for _, step := range steps {
		words := strings.Fields(strings.Join(append([]string{step.GetEntrypoint()}, step.GetArgs()...), " "))
		commands = append(commands, strings.Join(words, " "))
		for i, word := range words {
			if word != "make" || i+1 == len(words) {
				continue
			}
			named++
			if target := words[i+1]; !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).MatchString(makefile) {
				t.Errorf("%s: there is no make %s", step.GetId(), target)
			}
		}
	}
	for _, command := range commands {
		for _, match := range file.FindAllStringSubmatch(command, -1) {
			named++
			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
				t.Error(err)
			}
		}
	}
	if named < 8 {
		t.Errorf("found %d files and targets: does this test still find them?", named)
	}
}

// before is, for each step, the steps that have ended when it begins. A step that
// names none waits for all above it.
func before(t *testing.T, build *cloudbuildpb.Build) map[string]map[string]bool {
	t.Helper()
	done := map[string]map[string]bool{}
	var above []string
	for _, step := range build.GetSteps() {
		id, waits := step.GetId(), step.GetWaitFor()
		if id == "" || done[id] != nil {
			t.Fatalf("a step has the id %q, which is none or taken", id)
		}
		if len(waits) == 0 {
			waits = above
		}
		done[id] = map[string]bool{}
		for _, earlier := range waits {
			if earlier == "-" {
				continue
			}
			if done[earlier] == nil {
				t.Errorf("%s waits for %s, which is no step above it", id, earlier)
			}
			done[id][earlier] = true
			maps.Copy(done[id], done[earlier])
		}
		above = append(above, id)
	}
	return done
}

func TestNothingIsChangedBeforeItIsCheckedAndEverythingIsTriedAfterwards(t *testing.T) {
	t.Parallel()
	done := before(t, readBuild(t, deployBuild))
	for _, order := range [][2]string{
		{"check", "image"}, {"image", "plan"}, {"settings", "plan"}, {"plan", "migrate"}, {"migrate", "upload-and-apply"},
		{"upload-and-apply", "migrate-again"}, {"migrate-again", "doctor"}, {"doctor", "smoke"},
	} {
		if !done[order[1]][order[0]] {
			t.Errorf("%s does not wait for %s", order[1], order[0])
		}
	}
}

func TestTheCheckIsOfEverythingThatMustHold(t *testing.T) {
	t.Parallel()
	done := before(t, readBuild(t, checkBuild))
	for _, step := range []string{"vet", "test", "compliance", "build"} {
		if done[step] == nil {
			t.Errorf("%s is not checked", step)
		}
	}
}

// In a build every step may do what the build's account may.
func TestTheBuildThatMayDoEverythingRunsNoneOfTheCode(t *testing.T) {
	t.Parallel()
	for _, step := range readBuild(t, deployBuild).GetSteps() {
		words := append([]string{step.GetEntrypoint()}, step.GetArgs()...)
		if !strings.HasPrefix(step.GetName(), "gcr.io/google.com/cloudsdktool/") && !strings.HasPrefix(step.GetName(), "hashicorp/terraform:") ||
			!slices.Contains(words, "scripts/deploy.sh") && step.GetEntrypoint() != "gcloud" {
			t.Errorf("%s runs %q in %s", step.GetId(), words, step.GetName())
		}
	}
}

func TestEachBuildHasAnAccountOfItsOwnALogAndAnEnd(t *testing.T) {
	t.Parallel()
	for file, account := range map[string]string{
		deployBuild: "$_DEPLOYER",
		checkBuild:  "${_NAME}-test@${PROJECT_ID}.iam.gserviceaccount.com",
		imageBuild:  "${_NAME}-build@${PROJECT_ID}.iam.gserviceaccount.com",
	} {
		build := readBuild(t, file)
		if want := "projects/$PROJECT_ID/serviceAccounts/" + account; build.GetServiceAccount() != want {
			t.Errorf("%s runs as %q, want %q", file, build.GetServiceAccount(), want)
		}
		// Without one of these Cloud Build refuses a build with an account of one's own.
		if build.GetOptions().GetLogging() != cloudbuildpb.BuildOptions_CLOUD_LOGGING_ONLY && build.GetLogsBucket() == "" {
			t.Errorf("%s logs to %v", file, build.GetOptions().GetLogging())
		}
		// Ten minutes are the default, and 24 hours the most.
		// https://cloud.google.com/build/docs/build-config-file-schema#timeout_2
		total := build.GetTimeout().AsDuration()
		if total <= 10*time.Minute || total > 24*time.Hour {
			t.Errorf("%s may take %v", file, total)
		}
		for _, step := range build.GetSteps() {
			if own := step.GetTimeout().AsDuration(); own >= total {
				t.Errorf("%s: %s may take %v of the build's %v", file, step.GetId(), own, total)
			}
		}
	}
}

// A step that waits for a build of its own must not give up before that ends.
func TestAStepWaitsForTheBuildThatItSubmits(t *testing.T) {
	t.Parallel()
	submitted := map[string]string{"check": checkBuild, "image": imageBuild}
	for _, step := range readBuild(t, deployBuild).GetSteps() {
		file := submitted[step.GetId()]
		if file == "" {
			continue
		}
		delete(submitted, step.GetId())
		if least := readBuild(t, file).GetTimeout().AsDuration() + 5*time.Minute; step.GetTimeout().AsDuration() < least {
			t.Errorf("%s may take %v, and its build, with its queue, %v", step.GetId(), step.GetTimeout().AsDuration(), least)
		}
	}
	if len(submitted) > 0 {
		t.Errorf("there is no step for %v", submitted)
	}
}

func TestTheBuildsFileIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"stepz: []", "steps: [{name: a, waitfor: [b]}]", "steps: [{name: a, name: b}]", "timeout: 1 hour"} {
		text, err := yaml.YAMLToJSON([]byte(wrong))
		if err == nil {
			err = protojson.Unmarshal(text, &cloudbuildpb.Build{})
		}
		if err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
