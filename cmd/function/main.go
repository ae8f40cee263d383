// Command function serves one of the two functions over HTTP, for a container
// or a bare `go run`: FUNCTION_TARGET names which, PORT says where (8080), and
// LOCAL_ONLY=true listens on the loopback address alone. The buildpack generates
// a main of its own that does the same.
package main

import (
	"fmt"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ "lad.internal/followup"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	switch target := os.Getenv("FUNCTION_TARGET"); target {
	case schedule.Name, execute.Name:
	default:
		return fmt.Errorf("FUNCTION_TARGET is %q: set it to %s or %s", target, schedule.Name, execute.Name)
	}
	host, port := "", os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	if os.Getenv("LOCAL_ONLY") == "true" {
		host = "127.0.0.1"
	}
	if err := funcframework.StartHostPort(host, port); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
