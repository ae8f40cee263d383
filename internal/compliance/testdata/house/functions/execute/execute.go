// Package execute is a fixture whose tests are not all they should be.
package execute

// Twice calls f twice.
func Twice(f func()) { f(); f() }
