// Package logs is a fixture of printing.
package logs

import (
	"flag"
	. "fmt"
	printer "fmt"
	"io"
	"log" // the standard logger
	"log/slog"
	"os"
	"runtime/debug"
)

// New makes the logger, which has to write somewhere.
func New(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

var logger = New(os.Stdout)

// All prints in every way.
func All(out io.Writer) {
	printer.Println("a")           // want #4
	printer.Printf("%s", "b")      // want #4
	Print("c")                     // want #4
	show := printer.Print          // want #4
	println("d")                   // want #4
	print("e")                     // want #4
	log.Print("f")                 // want #4
	own := log.New(out, "", 0)     // want #4
	slog.Info("g")                 // want #4
	slog.Default().Info("h")       // want #4
	os.Stdout.WriteString("i")     // want #4
	printer.Fprintln(os.Stderr)    // want #4
	stream := os.Stderr            // want #4
	file, _ := os.Open("/dev/tty") // want #4
	fd, _ := os.Open("/dev/fd/1")  // want #4
	debug.PrintStack()             // want #4
	flag.PrintDefaults()           // want #4
	own.Print("j")                 // by a logger that was reported where it was made
	show(stream, file, fd)

	logger.Info("k")
	printer.Fprintln(out, "l", printer.Sprint("m"))
}
