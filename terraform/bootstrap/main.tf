# What has to be there before ../ can be applied: Google's services, a place for its state, secrets that somebody
# fills, and what is needed to build (build.tf). Applied once, by a person; its own state is a file, and none of it is
# worth keeping.
#
# Google takes minutes to let a new account do what it has been granted, and to start the agents of services that were
# just switched on. So all of this is made here: filling the secrets and building the image give it the time.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = { source = "hashicorp/google", version = ">= 7.21, < 8" }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  default_labels = { app = var.name }
}

variable "project_id" {
  description = "The id of the Google Cloud project."
  type        = string
}

variable "region" {
  description = "The region, as in ../."
  type        = string
}

variable "name" {
  description = "What the names of all that is made begin with, as in ../."
  type        = string
  default     = "followup"
}

variable "secrets" {
  description = "The secrets to make, by the names that secret_versions of ../ knows."
  type        = set(string)
  default     = ["INTERNAL_SERVICE_SECRET", "OWNER_DATABASE_URL"]
}

resource "google_project_service" "used" {
  # cloudtrace goes with telemetry, for FOLLOWUP_TRACES.
  for_each = toset([
    "artifactregistry", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "cloudtasks", "cloudtrace", "compute", "eventarc", "iam",
    "logging", "monitoring", "pubsub", "run", "secretmanager", "servicenetworking", "serviceusage", "sqladmin", "storage", "telemetry",
  ])

  service = "${each.key}.googleapis.com"
  # Something else in the project may use it.
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  name                        = "${var.project_id}-${var.name}-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # The way back from a state that was damaged.
  versioning { enabled = true }
  lifecycle_rule {
    action { type = "Delete" }
    condition { num_newer_versions = 50 }
  }

  lifecycle { prevent_destroy = true }

  depends_on = [google_project_service.used]
}

# Empty: their values are added with gcloud and are in nobody's state.
resource "google_secret_manager_secret" "secret" {
  for_each  = var.secrets
  secret_id = "${var.name}-${lower(replace(each.key, "_", "-"))}"

  replication {
    user_managed {
      replicas { location = var.region }
    }
  }

  depends_on = [google_project_service.used]
}

output "next_steps" {
  description = "What to do before ../ is applied."
  value = merge(
    {
      "1 make Eventarc's agent" = "gcloud beta services identity create --service=eventarc.googleapis.com --project=${var.project_id}"
      "3 build the command"     = "../../scripts/deploy.sh image ${var.project_id} ${var.region} ${var.name} first"
      "4 prepare ../"           = "terraform -chdir=.. init -backend-config=bucket=${google_storage_bucket.state.name}"
    },
    { for s, secret in google_secret_manager_secret.secret : "2 fill ${s}" => "gcloud secrets versions add ${secret.secret_id} --project=${var.project_id} --data-file=-" },
  )
}
