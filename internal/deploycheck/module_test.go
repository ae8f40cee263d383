package deploycheck_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

const (
	root      = "../.."
	dir       = root + "/terraform"
	bootstrap = dir + "/bootstrap"
)

// module is what the .tf files of a folder say.
type module struct {
	locals    map[string]hclsyntax.Expression
	variables map[string]*hclsyntax.Block
	resources []*hclsyntax.Block // data sources too
}

func readModule(t *testing.T) module {
	t.Helper()
	return readFolder(t, dir)
}

func readFolder(t *testing.T, folder string) module {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v", files, err)
	}
	m := module{locals: map[string]hclsyntax.Expression{}, variables: map[string]*hclsyntax.Block{}}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, problems := hclsyntax.ParseConfig(content, name, hcl.InitialPos)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		body, _ := file.Body.(*hclsyntax.Body)
		for _, block := range body.Blocks {
			switch block.Type {
			case "locals":
				for name, attribute := range block.Body.Attributes {
					m.locals[name] = attribute.Expr
				}
			case "variable":
				m.variables[block.Labels[0]] = block
			case "resource", "data":
				m.resources = append(m.resources, block)
			}
		}
	}
	return m
}

// resource is the block of that type and name.
func (m module) resource(t *testing.T, kind, name string) *hclsyntax.Body {
	t.Helper()
	for _, block := range m.resources {
		if block.Labels[0] == kind && block.Labels[1] == name {
			return block.Body
		}
	}
	t.Fatalf("there is no %s.%s", kind, name)
	return nil
}

// plan is a module with values for its variables.
type plan struct {
	module
	t         *testing.T
	variables map[string]cty.Value
	known     map[string]cty.Value
}

// emails are the accounts' addresses, as Google makes them.
const emails = "@lad-test.iam.gserviceaccount.com"

// plan gives variables their values, or else their defaults, and stands in for
// what Google answers.
func (m module) plan(t *testing.T, given map[string]cty.Value) *plan {
	t.Helper()
	p := &plan{module: m, t: t, variables: map[string]cty.Value{}, known: map[string]cty.Value{}}
	for name, block := range m.variables {
		p.variables[name] = variable(t, name, block, given)
	}
	for name := range given {
		if m.variables[name] == nil {
			t.Fatalf("there is no variable %s", name)
		}
	}
	accounts := map[string]cty.Value{}
	for name := range p.local("accounts").AsValueMap() {
		accounts[name] = cty.ObjectVal(map[string]cty.Value{"email": cty.StringVal("followup-" + name + emails)})
	}
	p.known = map[string]cty.Value{
		"path":                   object("module", cty.StringVal(dir)),
		"data":                   object("google_project", object("this", object("number", cty.StringVal("123456789012")))),
		"google_service_account": object("account", cty.ObjectVal(accounts)),
		"google_sql_database_instance": object("lad", cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal("followup-1a2b"), "connection_name": cty.StringVal("lad-test:europe-west1:followup-1a2b"),
		})})),
	}
	return p
}

func object(name string, value cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{name: value})
}

func variable(t *testing.T, name string, block *hclsyntax.Block, given map[string]cty.Value) cty.Value {
	t.Helper()
	kind, defaults, problems := typeexpr.TypeConstraintWithDefaults(block.Body.Attributes["type"].Expr)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	value, ok := given[name]
	if fallback := block.Body.Attributes["default"]; !ok && fallback != nil {
		value, problems = fallback.Expr.Value(nil)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
	} else if !ok {
		t.Fatalf("variable %s is required", name)
	}
	if defaults != nil {
		value = defaults.Apply(value)
	}
	value, err := convert.Convert(value, kind)
	if err != nil {
		t.Fatalf("variable %s: %v", name, err)
	}
	return value
}

// local evaluates a local, and first the locals that it is made of.
func (p *plan) local(name string) cty.Value {
	p.t.Helper()
	expression := p.locals[name]
	if expression == nil {
		p.t.Fatalf("there is no local %s", name)
	}
	return p.evaluate(expression)
}

func (p *plan) evaluate(expression hclsyntax.Expression) cty.Value {
	p.t.Helper()
	locals := map[string]cty.Value{}
	for _, traversal := range expression.Variables() {
		if traversal.RootName() == "local" {
			name := traversal[1].(hcl.TraverseAttr).Name
			locals[name] = p.local(name)
		}
	}
	scope := &hcl.EvalContext{Functions: functions, Variables: maps.Clone(p.known)}
	scope.Variables["var"] = cty.ObjectVal(p.variables)
	scope.Variables["local"] = cty.ObjectVal(locals)
	value, problems := expression.Value(scope)
	if problems.HasErrors() {
		p.t.Fatal(problems)
	}
	return value
}

// text is a map or object of strings.
func text(t *testing.T, value cty.Value) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for name, v := range value.AsValueMap() {
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
			t.Fatalf("%s is %#v, want a string", name, v)
		}
		texts[name] = v.AsString()
	}
	return texts
}

// list is a list or tuple of strings.
func list(value cty.Value) (texts []string) {
	for _, v := range value.AsValueSlice() {
		texts = append(texts, v.AsString())
	}
	return texts
}

// functions are those of Terraform's that the locals call.
var functions = map[string]function.Function{
	"coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "join": stdlib.JoinFunc, "keys": stdlib.KeysFunc,
	"length": stdlib.LengthFunc, "lower": stdlib.LowerFunc, "merge": stdlib.MergeFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc,
	"setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc,
	"tostring": stdlib.MakeToFunc(cty.String), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	"trimsuffix": stdlib.TrimSuffixFunc,
	"endswith":   textTest(strings.HasSuffix), "startswith": textTest(strings.HasPrefix), "strcontains": textTest(strings.Contains),
	"fileset": fileset,
}

func textTest(holds func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "s", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(holds(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// fileset knows **, * and {a,b} of the patterns that Terraform knows.
var fileset = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Set(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, found := args[0].AsString(), []cty.Value{}
		pattern := strings.NewReplacer("**/", "(.*/)?", "*", "[^/]*", "{", "(", "}", ")", ",", "|", ".", `\.`).Replace(args[1].AsString())
		matches, err := regexp.Compile("^" + pattern + "$")
		if err != nil {
			return cty.NilVal, err
		}
		err = filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(base, path)
			if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
				return fs.SkipDir
			}
			if !entry.IsDir() && matches.MatchString(filepath.ToSlash(name)) {
				found = append(found, cty.StringVal(filepath.ToSlash(name)))
			}
			return err
		})
		if len(found) == 0 {
			return cty.SetValEmpty(cty.String), err
		}
		return cty.SetVal(found), err
	},
})
