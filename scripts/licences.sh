#!/bin/sh
# Compares the licences of what is linked into the programs with docs/licences.md,
# or writes that page, if WRITE is set. The tool has a module of its own, so that
# what it needs is no dependency of the product.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
"$go" test -C tools ./licences
"$go" build -C tools -o "$PWD/bin/licences" ./licences
PATH="$(dirname "$(command -v "$go")"):$PATH" bin/licences ${WRITE:+-write} docs/licences.md ./cmd/followup ./cmd/function ./cmd/devstack
