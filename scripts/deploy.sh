#!/bin/sh
# The steps of cloudbuild.yaml. Each runs in an image that has the one program it
# needs; what they tell each other is in tmp/. People run image, for their first
# apply.
#
#   deploy.sh STEP PROJECT REGION NAME [MORE]
set -eu
cd "$(dirname "$0")/.."
mkdir -p tmp

step=$1 project=$2 region=$3 name=$4
shift 4

# Has Cloud Build run the steps of the file $1, with the substitutions $2, and waits.
# The source goes to the bucket that terraform/bootstrap has made for it. The build
# has an account of its own, and its log is in Cloud Logging.
submit() {
	gcloud builds submit . --project="$project" --region="$region" --config="$1" --substitutions="$2" \
		--gcs-source-staging-dir="gs://$project-$name-source/builds"
}

check() {
	submit cloudbuild.check.yaml "_NAME=$name"
}

# Builds and pushes the command's image under the tag $1, and writes down its
# digest: a tag may name another image tomorrow.
image() {
	submit cloudbuild.image.yaml "_NAME=$name,_REGION=$region,_TAG=$1"
	gcloud artifacts docker images describe "$region-docker.pkg.dev/$project/$name/command:$1" --project="$project" \
		--format='value(image_summary.fully_qualified_digest)' >tmp/command_image
	grep -E '^[^[:space:]@]+@sha256:[0-9a-f]{64}$' tmp/command_image
}

# Plans, with the state in the bucket $1, and with the providers whose checksums
# somebody has committed: another one would run with all the rights there are.
plan() {
	lock=.terraform.lock.hcl
	if [ ! -e "terraform/$lock" ]; then
		echo "deploy: git has no $lock: docs/deploy-pipeline.md says how to make it" >&2
		exit 1
	fi
	terraform -chdir=terraform init -input=false -lockfile=readonly -backend-config="bucket=$1"
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
check | image | plan | apply | migrate | job | smoke) "$step" "$@" ;;
*)
	echo "deploy: there is no step $step" >&2
	exit 2
	;;
esac
