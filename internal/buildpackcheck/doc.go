// Package buildpackcheck holds the check that this module can be deployed as
// Cloud Run functions: its test does to the source what the Go buildpack does,
// and serves both functions from the program that comes out of it, as processes
// of their own.
//
// The rules are those of GoogleCloudPlatform/buildpacks, cmd/go/functions_framework.
// It refuses to replace a deployment: the buildpack also runs `go mod tidy`,
// which needs the network and which `make check` looks after.
package buildpackcheck
