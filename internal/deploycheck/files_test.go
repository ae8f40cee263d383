package deploycheck_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What is uploaded is what function.go links: by itself it can be built, and there
// is no package in it that the compiler does not take.
func TestArchive(t *testing.T) {
	t.Parallel()
	copied := t.TempDir()
	uploaded := decode[[]string](readModule(t).plan(t, necessary(nil)), "packages")
	files := []string{"function.go", "go.mod", "go.sum", "emulators/go.mod"} // go.mod names that module
	for _, name := range uploaded {
		found, err := os.ReadDir(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if filepath.Ext(f.Name()) == ".go" && !strings.HasSuffix(f.Name(), "_test.go") {
				files = append(files, name+"/"+f.Name())
			}
		}
	}
	for _, file := range files {
		target := filepath.Join(copied, file)
		err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, []byte(readFile(t, file)), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	golang := func(args ...string) []string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = copied
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("the archive is not whole: go %s: %v\n%s", args[0], err, said)
		}
		return strings.Fields(string(said))
	}
	golang("build", "-mod=readonly", "-trimpath", "-buildvcs=false", ".")
	var linked []string
	for _, path := range golang("list", "-mod=readonly", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", ".") {
		if name, inside := strings.CutPrefix(path, "lad.internal/followup/"); inside {
			linked = append(linked, name)
		}
	}
	slices.Sort(linked)
	if d := cmp.Diff(linked, uploaded); d != "" {
		t.Errorf("local.packages (-linked +uploaded):\n%s", d)
	}
}

// grantType are the resources that grant something; Terraform's tests say what each
// of them grants.
var grantType = regexp.MustCompile(`_iam_(member|binding|policy|audit_config)$`)

// roles are those that may be granted at all. None of them may grant, delete or
// read what is not ours.
var roles = []string{
	"roles/artifactregistry.writer", "roles/cloudsql.client", "roles/cloudsql.instanceUser",
	"roles/cloudtasks.enqueuer", "roles/cloudtasks.taskDeleter", "roles/cloudtasks.viewer",
	"roles/iam.serviceAccountUser", "roles/logging.logWriter", "roles/pubsub.publisher", "roles/run.invoker",
	"roles/secretmanager.secretAccessor", "roles/storage.objectViewer", "roles/telemetry.tracesWriter",
}

func TestGrants(t *testing.T) {
	t.Parallel()
	grants, named := 0, map[string]bool{}
	var everybody []string
	visit := func(node hclsyntax.Node) hcl.Diagnostics {
		if literal, ok := node.(*hclsyntax.LiteralValueExpr); ok && literal.Val.Type() == cty.String {
			s := literal.Val.AsString()
			if strings.HasPrefix(s, "roles/") {
				named[s] = true
			}
			if strings.Contains(s, "allUsers") || strings.Contains(s, "allAuthenticatedUsers") {
				everybody = append(everybody, s+" in "+filepath.Base(literal.SrcRange.Filename))
			}
		}
		return nil
	}
	for folder, file := range map[string]string{"terraform": "terraform/tests/iam.tftest.hcl", "terraform/bootstrap": "terraform/bootstrap/tests/bootstrap.tftest.hcl"} {
		m, seen := readFolder(t, filepath.Join(root, folder)), readFile(t, file)
		for _, block := range m.resources {
			_ = hclsyntax.VisitAll(block.Body, visit) // visit has nothing to say
			kind, name := block.Labels[0], block.Labels[1]
			switch match := grantType.FindStringSubmatch(kind); {
			case match == nil:
			case match[1] != "member":
				// It would take away what others were granted.
				t.Errorf("%s.%s owns a whole policy: grant single members", kind, name)
			case !strings.Contains(seen, kind+"."+name):
				t.Errorf("%s does not look at %s.%s", file, kind, name)
			default:
				grants++
			}
		}
		for _, expression := range m.locals {
			_ = hclsyntax.VisitAll(expression, visit) // nor here
		}
	}
	if grants < 10 {
		t.Errorf("found %d grants: is this the right folder?", grants)
	}
	if d := cmp.Diff(roles, slices.Sorted(maps.Keys(named))); d != "" {
		t.Errorf("roles (-allowed +granted):\n%s", d)
	}
	// Everybody may call execute where it checks tokens itself; the test of grants
	// holds who that is.
	if d := cmp.Diff([]string{"allUsers in iam.tf"}, everybody); d != "" {
		t.Errorf("everybody (-allowed +named):\n%s", d)
	}
}
