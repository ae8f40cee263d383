// Command tool may print, and may not use the local stack.
package main

import (
	"fmt"

	"lad.internal/house/internal/localstack/fake" // want #0
)

func main() {
	fake.Broken()
	fmt.Println("ready")
}
