# Nothing is created: the provider is a mock, and the state's bucket would refuse to be destroyed. override_during takes
# Terraform 1.11.

mock_provider "google" {
  override_resource {
    target          = google_service_account.builder["build"]
    values          = { member = "serviceAccount:followup-build@lad-test.iam.gserviceaccount.com" }
    override_during = plan
  }
  override_resource {
    target          = google_service_account.builder["test"]
    values          = { member = "serviceAccount:followup-test@lad-test.iam.gserviceaccount.com" }
    override_during = plan
  }
  mock_resource "google_artifact_registry_repository" {
    defaults = { id = "projects/lad-test/locations/europe-west1/repositories/followup", name = "followup" }
  }
}

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
  assert {
    # The names that ../functions.tf and scripts/deploy.sh go by.
    condition     = google_storage_bucket.source.name == "lad-test-followup-source" && google_storage_bucket.source.public_access_prevention == "enforced" && keys(google_service_account.builder) == ["build", "test"]
    error_message = "Where or as whom is built has another name."
  }
  assert {
    condition     = length(google_project_service.used) == 20 && alltrue([for s in google_project_service.used : !s.disable_on_destroy])
    error_message = "A service of Google's is missing, or would be switched off for others."
  }
}

# "test" runs what nobody has vouched for: it may write a log and read the source.
run "who_builds_may_do_no_more" {
  command = plan
  assert {
    condition = toset([for g in google_project_iam_member.writes_its_log : "${split("@", g.member)[0]} ${g.role} ${g.project}"]) == toset([
      "serviceAccount:followup-build roles/logging.logWriter lad-test",
      "serviceAccount:followup-test roles/logging.logWriter lad-test",
    ])
    error_message = "The grants on the project are not the expected ones."
  }
  assert {
    condition = toset([for g in google_storage_bucket_iam_member.reads_the_source : "${split("@", g.member)[0]} ${g.role} ${g.bucket}"]) == toset([
      "serviceAccount:followup-build roles/storage.objectViewer lad-test-followup-source",
      "serviceAccount:followup-test roles/storage.objectViewer lad-test-followup-source",
    ])
    error_message = "The source is read by others, or changed."
  }
  assert {
    condition = (
      "${split("@", google_project_iam_member.build_reads_the_functions_source.member)[0]} ${google_project_iam_member.build_reads_the_functions_source.role}" == "serviceAccount:followup-build roles/storage.objectViewer"
      && google_project_iam_member.build_reads_the_functions_source.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\")"
    )
    error_message = "build may read other buckets than that of the functions' source."
  }
  assert {
    condition     = "${split("@", google_artifact_registry_repository_iam_member.build_writes_images.member)[0]} ${google_artifact_registry_repository_iam_member.build_writes_images.role}" == "serviceAccount:followup-build roles/artifactregistry.writer"
    error_message = "build writes to its own repository, and no more."
  }
}
