# What is run when somebody asks for it, inside the network: the migrations, with the login of the owner of LAD's
# tables; the doctor, for everything that looks, and operate, for what changes calls, each with a login like the
# functions'; and, if there is a canary, the smoke test, with the owner's, since it books as LAD does. People give the
# words of a command (--args). Terraform makes the jobs and never runs them.

locals {
  # A task also fails for reasons of Google's, who advises retries for every job. What has been migrated is found
  # done, and what only looks may look again; smoke would book a second call, and operate take the next of what was
  # selected.
  # https://cloud.google.com/run/docs/configuring/task-timeout
  jobs = { for name, job in {
    migrate = { retries = 3, env = {}, args = concat(
      ["migrate", "up"],
      var.tenant_schema == null ? ["--all"] : ["--schema", var.tenant_schema],
      # The functions' right to the views: membership of followup_app.
      [for who in local.database_accounts : "--grant-to=${local.database_users[who]}"],
      var.tenant_registry == null ? [] : ["--registry", var.tenant_registry],
    ) }
    # An instance in the network may wait a minute for its first connection.
    # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc#limitations
    doctor = { retries = 3, env = local.environment.doctor, args = ["doctor", "--timeout=90s"] }
    # Whoever runs it says what is to be done.
    operate = { retries = 0, env = local.environment.operate, args = ["help"] }
    smoke   = { retries = 0, env = local.environment.smoke, args = ["smoke", "--tenant", var.canary] }
  } : name => job if contains(local.job_names, name) }

  job_names = var.command_image == null ? [] : concat(["migrate", "doctor", "operate"], local.canary_jobs)
}

resource "google_cloud_run_v2_job" "job" {
  for_each            = local.jobs
  name                = "${var.name}-${each.key}"
  location            = var.region
  deletion_protection = false # it holds nothing

  template {
    task_count = 1
    template {
      service_account = google_service_account.account[each.key].email
      # An index of a large table takes its time.
      timeout     = "3600s"
      max_retries = each.value.retries

      containers {
        image = var.command_image
        args  = each.value.args

        dynamic "env" {
          for_each = each.value.env
          content {
            name  = env.key
            value = env.value
          }
        }
        dynamic "env" {
          for_each = lookup(local.secret_environment, each.key, [])
          content {
            name = "DATABASE_URL"
            value_source {
              secret_key_ref {
                secret  = local.secret_ids[env.value]
                version = var.secret_versions[env.value]
              }
            }
          }
        }
      }

      vpc_access {
        # All of it: only what comes through the network counts as internal at execute's ingress. What a job needs
        # besides is Google's, or the database's public address, which takes a NAT (network.tf).
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = local.network
          subnetwork = local.subnetwork
        }
      }
    }
  }

  lifecycle {
    # Whoever gives the job a new image with gcloud leaves their name there.
    ignore_changes = [client, client_version]
  }

  # The functions are there for the minutes that they take: Cloud Run makes no job whose account may not read its
  # secret yet.
  depends_on = [google_secret_manager_secret_iam_member.reader, google_project_iam_member.project, google_cloudfunctions2_function.function]
}
