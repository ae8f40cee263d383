# Cloud SQL for PostgreSQL: a new instance, or LAD's own. Nobody has a password but the owner of LAD's tables, whose
# login is made outside (README.md).

locals {
  new_instance = var.existing_instance == null

  # A project's id may hold a colon itself (example.com:project). What is looked up by these two is looked up while
  # planning, as they hang on no resource.
  instance_parts   = reverse(split(":", coalesce(var.existing_instance, "::")))
  existing_name    = local.instance_parts[0]
  existing_project = join(":", reverse(slice(local.instance_parts, 2, length(local.instance_parts))))

  instance = local.new_instance ? {
    project         = var.project_id
    name            = google_sql_database_instance.lad[0].name
    connection_name = google_sql_database_instance.lad[0].connection_name
    } : {
    project         = local.existing_project
    name            = local.existing_name
    connection_name = var.existing_instance
  }

  # Those who log in by IAM. The user of a service account is its address without the ending, which PostgreSQL's names
  # have no room for.
  database_accounts = ["schedule", "execute", "doctor", "operate"]
  database_users = {
    for who in local.database_accounts : who => trimsuffix(google_service_account.account[who].email, ".gserviceaccount.com")
  }

  # While a new revision takes over, the old one's instances are still there. Of the jobs, migrate has one connection,
  # and each of the others as many as an instance.
  connections_needed = var.database_connections_per_instance * (2 * (var.schedule.max_instances + var.execute.max_instances) + 2 + length(local.canary_jobs)) + 1
}

# A deleted instance's name is taken for a week.
resource "random_id" "instance" {
  count       = local.new_instance ? 1 : 0
  byte_length = 2
}

resource "google_sql_database_instance" "lad" {
  count            = local.new_instance ? 1 : 0
  name             = "${var.name}-${random_id.instance[0].hex}"
  region           = var.region
  database_version = var.database_version
  # Refuses `terraform destroy`; the setting of the same name below refuses everybody else.
  deletion_protection = var.deletion_protection

  settings {
    # Newer versions default to Enterprise Plus, which has other machines.
    edition                     = "ENTERPRISE"
    tier                        = var.database_tier
    availability_type           = var.database_highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = 10
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = local.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      start_time                     = "02:00"
      backup_retention_settings { retained_backups = 14 }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    insights_config { query_insights_enabled = true }

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    database_flags {
      name  = "max_connections"
      value = tostring(var.database_max_connections)
    }
  }

  lifecycle {
    # It grows by itself.
    ignore_changes = [settings[0].disk_size]
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "lad" {
  count    = local.new_instance ? 1 : 0
  name     = var.database_name
  instance = google_sql_database_instance.lad[0].name
  # It goes when the instance goes, whoever still holds something in it.
  deletion_policy = "ABANDON"
}

# LAD's own instance is looked at and never changed.
data "google_sql_database_instance" "existing" {
  count   = local.new_instance ? 0 : 1
  project = local.existing_project
  name    = local.existing_name

  lifecycle {
    postcondition {
      condition     = startswith(self.database_version, "POSTGRES_")
      error_message = "existing_instance is ${self.database_version}, and LAD's tables are in PostgreSQL."
    }
    postcondition {
      condition     = anytrue([for f in self.settings[0].database_flags : f.name == "cloudsql.iam_authentication" && f.value == "on"])
      error_message = "existing_instance does not let IAM accounts in: set its flag cloudsql.iam_authentication=on, which restarts nothing."
    }
  }
}

resource "google_sql_user" "login" {
  for_each = toset(local.database_accounts)
  project  = local.instance.project
  instance = local.instance.name
  name     = local.database_users[each.key]
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
  # Google does not delete a login that is a member of followup_app: it goes with the instance, or by hand (README.md,
  # "Destroy").
  deletion_policy = "ABANDON"

  lifecycle {
    precondition {
      condition     = local.connections_needed <= var.database_max_connections - var.database_reserved_connections
      error_message = "Functions and jobs may open ${local.connections_needed} connections, but max_connections leaves them ${var.database_max_connections - var.database_reserved_connections}: lower max_instances or database_connections_per_instance, or raise database_max_connections."
    }
  }

  depends_on = [data.google_sql_database_instance.existing]
}
