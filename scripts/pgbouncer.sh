#!/bin/sh
# Prints the path of a pgbouncer, for the tests that go through one: an installed one, else Debian's
# package, unpacked into the user's cache folder. It needs no root and installs nothing.
set -eu

for pgbouncer in "$(command -v pgbouncer || true)" /usr/sbin/pgbouncer; do
	if [ -n "$pgbouncer" ] && [ -x "$pgbouncer" ]; then
		echo "$pgbouncer"
		exit 0
	fi
done

fail() {
	echo "pgbouncer: there is none here, and $1. Install PgBouncer (Debian: apt-get install pgbouncer; macOS: brew install pgbouncer) and run this again." >&2
	exit 1
}

cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/followup-pgbouncer
if [ -x "$cache/pgbouncer" ] && "$cache/pgbouncer" --version >/dev/null 2>&1; then
	echo "$cache/pgbouncer"
	exit 0
fi
for tool in apt-get dpkg-deb ldd; do
	command -v "$tool" >/dev/null || fail "without $tool none can be fetched"
done

# In a folder of its own, so that whoever runs this at the same time sees all of it or nothing.
mkdir -p "$(dirname "$cache")" 2>/dev/null || fail "$(dirname "$cache") cannot be made"
new=$(mktemp -d "$cache.XXXXXX") || fail "$(dirname "$cache") cannot be written to"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$new/debs" "$new/root"

# Lists of packages of our own, if the machine has none that serve, as in container images.
options=
own_lists() {
	options="-o Dir::State::lists=$new/apt/lists -o Dir::Cache=$new/apt"
	mkdir -p "$new/apt/lists/partial" "$new/apt/archives/partial"
	# shellcheck disable=SC2086 # several words
	apt-get $options -qq update >&2
}

download() {
	# APT's own user may not enter this folder, which it warns of; the words of a failure come with it.
	# shellcheck disable=SC2086 # several words, both
	(cd "$new/debs" && apt-get $options -qq download $1) >"$new/log" 2>&1
}

unpack() {
	download "$1" || { [ -z "$options" ] && own_lists && download "$1"; } || {
		cat "$new/log" >&2
		fail "apt-get could not fetch Debian's $1"
	}
	for deb in "$new"/debs/*.deb; do
		dpkg-deb -x "$deb" "$new/root" || fail "dpkg-deb could not unpack $deb"
	done
}

libraries() {
	find "$1/root" -name '*.so.*' -exec dirname {} \; | sort -u | paste -sd: -
}

missing() {
	LD_LIBRARY_PATH=$(libraries "$new") ldd "$new/root/usr/sbin/pgbouncer" | awk '/not found/ { print $1 }'
}

# The libraries among the packages that the unpacked ones depend on, the C library's own excepted:
# it must be the machine's.
wanted() {
	for deb in "$new"/debs/*.deb; do dpkg-deb -f "$deb" Depends; done |
		tr ',' '\n' | sed 's/^ *\([^ |:]*\).*/\1/' | grep '^lib' | grep -v '^libc6$' | sort -u | tr '\n' ' '
}

unpack pgbouncer
for _ in 1 2 3; do # libraries of libraries
	[ -n "$(missing)" ] || break
	unpack "$(wanted)"
done
[ -z "$(missing)" ] || fail "Debian's needs $(missing | tr '\n' ' ')which could not be found"

cat >"$new/pgbouncer" <<'SCRIPT'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(find "$here/root" -name '*.so.*' -exec dirname {} \; | sort -u | paste -sd: -)
export LD_LIBRARY_PATH
exec "$here/root/usr/sbin/pgbouncer" "$@"
SCRIPT
chmod 755 "$new" "$new/pgbouncer"
"$new/pgbouncer" --version >/dev/null || fail "Debian's does not run here"

rm -rf "$new/debs" "$new/apt" "$new/log"
"$cache/pgbouncer" --version >/dev/null 2>&1 || rm -rf "$cache"
mv -T "$new" "$cache" 2>/dev/null || [ -x "$cache/pgbouncer" ] || fail "$cache could not be written"
echo "$cache/pgbouncer"
