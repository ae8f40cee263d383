# What Google would answer with: the tests assert on who is granted what, so each
# account has its own address.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

mock_data "google_sql_database_instance" {
  defaults = {
    database_version = "POSTGRES_16"
    settings = [{
      database_flags = [{ name = "cloudsql.iam_authentication", value = "on" }]
    }]
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    connection_name    = "lad-test:europe-west1:followup-1a2b"
    private_ip_address = "10.1.2.3"
  }
}

mock_resource "google_pubsub_topic" {
  defaults = {
    id = "projects/lad-test/topics/followup-events"
  }
}

override_resource {
  target = google_service_account.account["schedule"]
  values = {
    email = "followup-schedule@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-schedule@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-schedule@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["execute"]
  values = {
    email = "followup-execute@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-execute@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-execute@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["invoker"]
  values = {
    email = "followup-invoker@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-invoker@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-invoker@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["trigger"]
  values = {
    email = "followup-trigger@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-trigger@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-trigger@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["scheduler"]
  values = {
    email = "followup-scheduler@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-scheduler@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-scheduler@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["migrate"]
  values = {
    email = "followup-migrate@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-migrate@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-migrate@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["doctor"]
  values = {
    email = "followup-doctor@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-doctor@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-doctor@lad-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["operate"]
  values = {
    email = "followup-operate@lad-test.iam.gserviceaccount.com"
    name  = "projects/lad-test/serviceAccounts/followup-operate@lad-test.iam.gserviceaccount.com"
    id    = "projects/lad-test/serviceAccounts/followup-operate@lad-test.iam.gserviceaccount.com"
  }
}
