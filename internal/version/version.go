// Package version names the release; CHANGELOG.md says what is in it.
package version

// Version is the last release, with -dev behind it for what comes after.
const Version = "1.0.0-dev"
