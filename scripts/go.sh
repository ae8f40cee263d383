#!/bin/sh
# Prints the path of a Go that can build this module (1.21 or newer: it fetches
# the version that go.mod names by itself), and installs one if it can.
set -eu

usable() {
	version=$("$1" env GOVERSION 2>/dev/null) || return 1
	case $version in
	go1.1[0-9]* | go1.20* | go1.[0-9] | go1.[0-9].*) return 1 ;;
	go1.* | go[2-9]* | devel*) return 0 ;;
	*) return 1 ;;
	esac
}

find_go() {
	for go in "${GO:-}" "$(command -v go || true)" /usr/local/go/bin/go "$HOME/go/bin/go" "$HOME/sdk/"go*/bin/go \
		/opt/homebrew/bin/go /usr/lib/go-*/bin/go; do
		if [ -n "$go" ] && [ -x "$go" ] && usable "$go"; then
			echo "$go"
			return 0
		fi
	done
	return 1
}

HOME=${HOME:-/nonexistent}
find_go && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "setup: installing Go with apt-get" >&2
	apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends golang-go ca-certificates >&2 || true
	find_go && exit 0
fi
echo "setup: this needs Go 1.21 or newer, and there is none here. Install it from https://go.dev/dl and run this again." >&2
exit 1
