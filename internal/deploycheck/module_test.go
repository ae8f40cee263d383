package deploycheck_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

const (
	root = "../.."
	dir  = root + "/terraform"
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
		"data":                   object("google_project", object("this", object("number", cty.StringVal("123456789012")))),
		"google_service_account": object("account", cty.ObjectVal(accounts)),
		"google_pubsub_topic":    object("events", object("id", cty.StringVal("projects/lad-test/topics/followup-events"))),
		"google_sql_database_instance": object("lad", cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal("followup-1a2b"), "connection_name": cty.StringVal("lad-test:europe-west1:followup-1a2b"),
		})})),
	}
	return p
}

func object(name string, value cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{name: value})
}

func texts(values map[string]string) cty.Value {
	all := map[string]cty.Value{}
	for name, value := range values {
		all[name] = cty.StringVal(value)
	}
	return cty.MapVal(all)
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

// decode is a local as Go has it.
func decode[V any](p *plan, name string) (v V) {
	p.t.Helper()
	value := p.local(name)
	text, err := ctyjson.Marshal(value, value.Type())
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		p.t.Fatalf("local %s: %v", name, err)
	}
	return v
}

// functions are those of Terraform's that the locals call.
var functions = map[string]function.Function{
	"ceil": stdlib.CeilFunc, "coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "floor": stdlib.FloorFunc,
	"join": stdlib.JoinFunc, "jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lower": stdlib.LowerFunc, "merge": stdlib.MergeFunc,
	"regex": stdlib.RegexFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc, "slice": stdlib.SliceFunc,
	"sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "tonumber": stdlib.MakeToFunc(cty.Number), "tostring": stdlib.MakeToFunc(cty.String),
	"trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc,
}
