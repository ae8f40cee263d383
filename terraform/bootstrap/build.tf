# What builds, and what it may do: one account builds the functions and the command's image, the other runs the tests.
# Neither may change what is deployed.

locals {
  builders = {
    build = "Builds the functions and the command's image"
    test  = "Runs the tests of a commit"
  }
}

resource "google_service_account" "builder" {
  for_each     = local.builders
  account_id   = "${var.name}-${each.key}"
  display_name = each.value

  depends_on = [google_project_service.used]
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"

  cleanup_policies {
    id     = "keep-the-newest"
    action = "KEEP"
    most_recent_versions { keep_count = 10 }
  }
  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"
    condition { older_than = "7776000s" } # 90 days
  }

  depends_on = [google_project_service.used]
}

# The functions' archives, and what is given to Cloud Build. All of it is in git.
resource "google_storage_bucket" "source" {
  name                        = "${var.project_id}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  lifecycle_rule {
    action { type = "Delete" }
    condition {
      age            = 30
      matches_prefix = ["builds/"]
    }
  }

  depends_on = [google_project_service.used]
}

# Google grants it on projects only.
resource "google_project_iam_member" "writes_its_log" {
  for_each = local.builders
  project  = var.project_id
  role     = "roles/logging.logWriter"
  member   = google_service_account.builder[each.key].member
}

resource "google_storage_bucket_iam_member" "reads_the_source" {
  for_each = local.builders
  bucket   = google_storage_bucket.source.name
  role     = "roles/storage.objectViewer"
  member   = google_service_account.builder[each.key].member
}

# Cloud Run functions puts the archive into a bucket of its own, which is there only after the first deployment.
resource "google_project_iam_member" "build_reads_the_functions_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.builder["build"].member

  condition {
    title      = "the-functions-source"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\")"
  }
}

resource "google_artifact_registry_repository_iam_member" "build_writes_images" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.builder["build"].member
}
