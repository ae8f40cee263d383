#!/bin/sh
# Builds the programs twice and compares their hashes: here with the cache as it
# is, and from a copy in another folder with an empty cache. A second build with
# the same cache would prove nothing: with -trimpath the folder is no part of the
# cache's key, so it would find the first one's results. The compiler starts from
# nothing, which takes minutes.
#
# Without the state of git in it (-buildvcs=false): a function is built from an
# archive that has none.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
other=$(mktemp -d "${TMPDIR:-/tmp}/reproducible.XXXXXX")
# The cache is the go command's to delete.
trap 'GOCACHE="$other/cache" "$go" clean -cache; rm -rf "$other"' EXIT
trap 'exit 1' HUP INT TERM

mkdir "$other/here" "$other/there" "$other/source"
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$other/source"

build() {
	"$go" build -trimpath -buildvcs=false -o "$1/" ./cmd/followup ./cmd/function
	(cd "$1" && sha256sum followup function)
}

echo "reproducible: in $PWD, with the cache as it is"
build "$other/here" | tee "$other/here.sums"
cd "$other/source"
echo "reproducible: in $PWD, with an empty cache"
GOCACHE="$other/cache" build "$other/there" | tee "$other/there.sums"
if ! cmp -s "$other/here.sums" "$other/there.sums"; then
	echo "reproducible: the two builds differ" >&2
	exit 1
fi
echo "reproducible: the same hashes twice"
