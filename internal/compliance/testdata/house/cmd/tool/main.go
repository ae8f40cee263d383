// Command tool may print, and may use the local stack.
package main

import (
	"fmt"

	"lad.internal/house/internal/localstack/fake"
)

func main() {
	fake.Broken()
	fmt.Println("ready")
}
