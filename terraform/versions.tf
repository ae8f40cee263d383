terraform {
  # 1.9: a variable's validation may look at other variables.
  required_version = ">= 1.9"

  required_providers {
    # 7.21: direct VPC egress of functions.
    google  = { source = "hashicorp/google", version = ">= 7.21, < 8" }
    archive = { source = "hashicorp/archive", version = ">= 2.7, < 3" }
    random  = { source = "hashicorp/random", version = ">= 3.6, < 4" }
  }

  # The bucket is made by bootstrap/ and named at `terraform init`.
  backend "gcs" {
    prefix = "followup"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  default_labels = local.labels
}
