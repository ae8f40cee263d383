//go:build !race

package integration_test

// buildFlags build the functions as this test binary was built.
var buildFlags []string
