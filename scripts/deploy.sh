#!/bin/sh
# The steps of cloudbuild.yaml that deploy. Each runs in an image that has the one
# program it needs; what they tell each other is in tmp/.
#
#   deploy.sh STEP PROJECT REGION NAME [MORE]
set -eu
cd "$(dirname "$0")/.."
mkdir -p tmp

step=$1 project=$2 region=$3 name=$4
shift 4

# Builds the command's image of bin/followup, pushes it under the tag $1, and
# writes down its digest: a tag may name another image tomorrow.
image() {
	repository=$region-docker.pkg.dev/$project/$name/command
	docker build --file cmd/followup/Dockerfile --tag "$repository:$1" bin
	docker push "$repository:$1"
	docker image inspect --format '{{index .RepoDigests 0}}' "$repository:$1" >tmp/command_image
	grep -qE '^[^[:space:]@]+@sha256:[0-9a-f]{64}$' tmp/command_image
}

# Plans, with the state in the bucket $1.
plan() {
	terraform -chdir=terraform init -input=false -backend-config="bucket=$1"
	terraform -chdir=terraform plan -input=false -lock-timeout=10m -var-file=../tmp/terraform.tfvars \
		-var "project_id=$project" -var "region=$region" -var "name=$name" \
		-var "command_image=$(cat tmp/command_image)" -out=../tmp/plan
}

apply() {
	terraform -chdir=terraform apply -input=false -lock-timeout=10m ../tmp/plan
}

# Prints the job's name if there is such a job. That one may not look is an error,
# and not the same as that there is none.
found() {
	gcloud run jobs list --project="$project" --region="$region" --filter="metadata.name=$name-$1" --format='value(metadata.name)'
}

job() {
	gcloud run jobs execute "$name-$1" --project="$project" --region="$region" --wait
}

migrate() {
	there=$(found migrate)
	if [ -z "$there" ]; then
		echo "there is no job $name-migrate yet: the apply makes it, and it runs after that"
		return
	fi
	gcloud run jobs update "$name-migrate" --project="$project" --region="$region" --image="$(cat tmp/command_image)"
	job migrate
}

smoke() {
	there=$(found smoke)
	if [ -z "$there" ]; then
		echo "SKIPPED: there is no job $name-smoke, since Terraform's variable canary is not set: nobody has tried a call"
		return
	fi
	job smoke
}

case $step in
image | plan | apply | migrate | job | smoke) "$step" "$@" ;;
*)
	echo "deploy: there is no step $step" >&2
	exit 2
	;;
esac
