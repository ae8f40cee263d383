#!/bin/sh
# Looks the modules up in Go's vulnerability database: what our code calls of them,
# tests included. Where the database cannot be reached it says that it skips, and fails
# if FOLLOWUP_REQUIRE_VULN is set.
set -u
cd "$(dirname "$0")/.."

said=$("${GO:-go}" run golang.org/x/vuln/cmd/govulncheck@v1.9.0 -test ./... 2>&1)
code=$?
printf '%s\n' "$said"
if [ "$code" -ne 0 ] && printf '%s\n' "$said" | grep -qE '^govulncheck: fetching vulnerabilities|^go: .*(no such host|connection refused|i/o timeout)'; then
	echo "vuln: SKIPPED: the vulnerability database (https://vuln.go.dev) cannot be reached" >&2
	[ -z "${FOLLOWUP_REQUIRE_VULN:-}" ]
	exit
fi
exit "$code"
