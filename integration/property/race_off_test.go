//go:build !race

package property_test

// runs are those of a plain `go test`.
const runs = 10_000
