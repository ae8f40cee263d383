# What Google would answer with, in Google's forms: the real provider refuses an id of
# another form where a resource is given to another one. The tests assert on who is
# granted what, so each account has its own address.

mock_data "google_project" {
  defaults = { id = "projects/lad-test", number = "123456789012" }
}

mock_data "google_sql_database_instance" {
  defaults = {
    database_version = "POSTGRES_16"
    settings         = [{ database_flags = [{ name = "cloudsql.iam_authentication", value = "on" }] }]
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    connection_name    = "lad-test:europe-west1:followup-1a2b"
    private_ip_address = "10.1.2.3"
  }
}

mock_resource "google_compute_network" {
  defaults = {
    id        = "projects/lad-test/global/networks/followup"
    self_link = "https://www.googleapis.com/compute/v1/projects/lad-test/global/networks/followup"
  }
}

mock_resource "google_compute_subnetwork" {
  defaults = {
    id        = "projects/lad-test/regions/europe-west1/subnetworks/followup"
    self_link = "https://www.googleapis.com/compute/v1/projects/lad-test/regions/europe-west1/subnetworks/followup"
  }
}

mock_resource "google_compute_address" {
  defaults = {
    id        = "projects/lad-test/regions/europe-west1/addresses/followup-nat"
    self_link = "https://www.googleapis.com/compute/v1/projects/lad-test/regions/europe-west1/addresses/followup-nat"
    address   = "203.0.113.7"
  }
}

mock_resource "google_compute_global_address" {
  defaults = {
    id        = "projects/lad-test/global/addresses/followup-services"
    self_link = "https://www.googleapis.com/compute/v1/projects/lad-test/global/addresses/followup-services"
  }
}

mock_resource "google_compute_router" {
  defaults = {
    id        = "projects/lad-test/regions/europe-west1/routers/followup-nat"
    self_link = "https://www.googleapis.com/compute/v1/projects/lad-test/regions/europe-west1/routers/followup-nat"
  }
}

mock_resource "google_pubsub_topic" {
  defaults = {
    id = "projects/lad-test/topics/followup-events"
  }
}

mock_resource "google_cloud_tasks_queue" {
  defaults = {
    id = "projects/lad-test/locations/europe-west1/queues/follow-up-calls"
  }
}

mock_resource "google_monitoring_notification_channel" {
  defaults = {
    id   = "projects/lad-test/notificationChannels/42"
    name = "projects/lad-test/notificationChannels/42"
  }
}

mock_resource "google_monitoring_dashboard" {
  defaults = {
    id = "projects/123456789012/dashboards/0a1b2c3d-0000-4000-8000-000000000001"
  }
}

override_resource {
  target = google_service_account.account["schedule"]
  values = { email = "followup-schedule@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-schedule@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-schedule@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-schedule@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["execute"]
  values = { email = "followup-execute@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-execute@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-execute@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-execute@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["invoker"]
  values = { email = "followup-invoker@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-invoker@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-invoker@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-invoker@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["trigger"]
  values = { email = "followup-trigger@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-trigger@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-trigger@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-trigger@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["scheduler"]
  values = { email = "followup-scheduler@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-scheduler@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-scheduler@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-scheduler@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["migrate"]
  values = { email = "followup-migrate@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-migrate@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-migrate@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-migrate@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["doctor"]
  values = { email = "followup-doctor@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-doctor@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-doctor@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-doctor@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["operate"]
  values = { email = "followup-operate@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-operate@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-operate@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-operate@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["smoke"]
  values = { email = "followup-smoke@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-smoke@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-smoke@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-smoke@lad-test.iam.gserviceaccount.com" }
}

override_resource {
  target = google_service_account.account["stub"]
  values = { email = "followup-stub@lad-test.iam.gserviceaccount.com", id = "projects/lad-test/serviceAccounts/followup-stub@lad-test.iam.gserviceaccount.com", name = "projects/lad-test/serviceAccounts/followup-stub@lad-test.iam.gserviceaccount.com", member = "serviceAccount:followup-stub@lad-test.iam.gserviceaccount.com" }
}
