package compliance

import (
	"go/ast"
	"go/types"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// printing reports what goes past the log, which alone is structured and masked:
// fmt's printing, package log, slog's default logger, the standard streams. The
// command prints; that is what it is for.
func (c *checker) printing(p pkg) {
	if within(p.dir, "cmd") {
		return
	}
	streams := map[*ast.Ident]bool{} // given to a logger
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				logsTo(p, n, streams)
			case *ast.Ident:
				if what := prints(p.TypesInfo.Uses[n]); what != "" && !streams[n] {
					c.printed(p, n, what)
				}
			case ast.Expr:
				if text, ok := constantText(p, n); ok && isStreamPath(text) {
					c.printed(p, n, text)
				}
			}
			return true
		})
	}
}

func (c *checker) printed(p pkg, n ast.Node, what string) {
	position := p.Fset.PositionFor(n.Pos(), false)
	c.report.add(Printing, Finding{File: c.rel(position.Filename), Line: position.Line, Text: what + " goes past the log"})
}

// prints names what an object prints with, or is "".
func prints(o types.Object) string {
	if b, ok := o.(*types.Builtin); ok && (b.Name() == "print" || b.Name() == "println") {
		return b.Name()
	}
	if o == nil || o.Pkg() == nil || o.Parent() != o.Pkg().Scope() {
		return "" // also methods: an injected logger's are no matter
	}
	name := o.Name()
	switch o.Pkg().Path() {
	case "log":
		return "log." + name
	case "fmt":
		if strings.HasPrefix(name, "Print") {
			return "fmt." + name
		}
	case "os":
		if slices.Contains([]string{"Stdout", "Stderr", "NewFile"}, name) {
			return "os." + name
		}
	case "syscall", "golang.org/x/sys/unix":
		if slices.Contains([]string{"Stdout", "Stderr", "Write"}, name) {
			return o.Pkg().Name() + "." + name
		}
	case "runtime/debug", "flag":
		if slices.Contains([]string{"PrintStack", "SetCrashOutput", "PrintDefaults", "Usage"}, name) {
			return o.Pkg().Name() + "." + name
		}
	case "google.golang.org/grpc/grpclog":
		return "grpclog." + name
	case "log/slog":
		// SetDefault makes others' lines go through our logger, which is welcome.
		if slices.Contains([]string{"Default", "With", "Log", "LogAttrs"}, name) || slices.Contains(levels, strings.TrimSuffix(name, "Context")) {
			return "slog." + name
		}
	}
	return ""
}

var levels = []string{"Debug", "Info", "Warn", "Error"}

// logsTo notes the streams in a call that makes a logger: that is where a log has
// to go in the end, since Cloud Logging reads a container's standard output.
func logsTo(p pkg, call *ast.CallExpr, streams map[*ast.Ident]bool) {
	callee := typeutil.Callee(p.TypesInfo, call)
	if callee == nil || !makesLogger(callee.Type()) {
		return
	}
	for _, arg := range call.Args {
		if selector, ok := ast.Unparen(arg).(*ast.SelectorExpr); ok {
			streams[selector.Sel] = true
		}
	}
}

func makesLogger(t types.Type) bool {
	signature, ok := t.(*types.Signature)
	return ok && signature.Results().Len() > 0 && types.TypeString(signature.Results().At(0).Type(), nil) == "*log/slog.Logger"
}

var streamPath = regexp.MustCompile(`^/dev/(stdout|stderr|tty|console|fd/\d+|pts/\d+)$|^/proc/[^/]+/fd/\d+$`)

func isStreamPath(text string) bool { return streamPath.MatchString(text) }
