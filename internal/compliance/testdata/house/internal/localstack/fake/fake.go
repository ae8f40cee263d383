// Package fake is a fixture: a stand-in for LAD, so that no rule holds for it.
package fake

import "fmt"

// Broken would break them.
func Broken() { fmt.Println("DELETE FROM leads") }
