// Command tested is no test helper for importing testing.
package main

import "testing"

func main() {
	if testing.Testing() {
		println("DELETE FROM leads WHERE id = 1") // want #2
	}
}
