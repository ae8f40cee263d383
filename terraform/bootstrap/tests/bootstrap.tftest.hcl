# Nothing is created: the provider is a mock.

mock_provider "google" {}

variables {
  project_id = "lad-test"
  region     = "europe-west1"
}

run "what_the_apply_needs" {
  command = plan
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled && google_storage_bucket.state.uniform_bucket_level_access && google_storage_bucket.state.public_access_prevention == "enforced"
    error_message = "The state can be lost, or seen by others."
  }
  assert {
    # The names that secret_ids in ../environment.tf computes.
    condition     = toset([for s in google_secret_manager_secret.secret : s.secret_id]) == toset(["followup-internal-service-secret", "followup-owner-database-url"])
    error_message = "The secrets have other names."
  }
  assert {
    condition     = google_artifact_registry_repository.images.repository_id == "followup" && google_artifact_registry_repository.images.format == "DOCKER"
    error_message = "The repository has another name, or holds something else."
  }
}

run "wrong_values" {
  command = plan
  variables {
    project_id = "Lad"
    region     = "europe"
    name       = "F"
    secrets    = ["PASSWORD"]
  }
  expect_failures = [var.project_id, var.region, var.name, var.secrets]
}
