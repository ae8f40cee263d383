#!/usr/bin/env bash
# Checks terraform/ without touching a cloud: format, names and types, and the
# plans of its tests. Providers come from wherever TF_CLI_CONFIG_FILE says, or
# from the registry; where there is no Terraform, or no way to a registry, it
# says that it skips, and fails if FOLLOWUP_REQUIRE_TERRAFORM is set.
#
# Everything happens in a copy, so that the lock file and the working folder of
# somebody who deploys from here stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
	echo "terraform: SKIPPED: $1" >&2
	[ -z "${FOLLOWUP_REQUIRE_TERRAFORM:-}" ]
	exit
}

command -v terraform >/dev/null || skip "there is no terraform here (https://developer.hashicorp.com/terraform/install)"

terraform fmt -check -diff -recursive terraform

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# The archive of the functions is part of the plan, and the playbooks are.
git ls-files -z --cached --others --exclude-standard -- function.go go.mod go.sum emulators/go.mod functions internal pkg docs/playbooks terraform |
	while IFS= read -r -d '' file; do
		[ ! -e "$file" ] || printf '%s\0' "$file"
	done | tar -cf - --null -T - | tar -xf - -C "$copy"

# A mirror's providers are not those that somebody has vouched for.
[ -z "${TF_CLI_CONFIG_FILE:-}" ] || rm -f "$copy/terraform/.terraform.lock.hcl"

export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
unset TF_DATA_DIR TF_WORKSPACE
for root in terraform/bootstrap terraform; do
	if ! terraform -chdir="$copy/$root" init -backend=false -input=false -no-color >"$copy/init.log" 2>&1; then
		# "could not connect", "no such host", "failed to query": the ways in which
		# a registry is out of reach. Anything else is a fault of ours.
		if grep -qE 'could not connect|could not query provider registry|failed to request discovery|no such host|Failed to query available provider packages' "$copy/init.log"; then
			cat "$copy/init.log" >&2
			skip "its providers cannot be fetched: set TF_CLI_CONFIG_FILE to a configuration with a mirror"
		fi
		cat "$copy/init.log" >&2
		exit 1
	fi
	terraform -chdir="$copy/$root" validate -no-color
	terraform -chdir="$copy/$root" test -no-color
done
echo "terraform: format, names, types and plans are as they should be"
