# The stub that answers for the voice agent when the canary tenant is called, so that a deployment is tried from end
# to end and nobody is rung.

locals {
  canary_jobs = var.canary == null ? [] : ["smoke"]
  # Deterministic, as execute's is (environment.tf): it is an audience, too.
  stub_url = "https://${var.name}-stub-${data.google_project.this.number}.${var.region}.run.app"

  # Both or neither, for the function and for the job that tries it.
  canary_settings = {
    VOICE_AGENT_CANARY_TENANT = var.canary
    VOICE_AGENT_CANARY_URL    = var.canary == null ? null : local.stub_url
  }
}

resource "google_cloud_run_v2_service" "stub" {
  count               = var.canary == null ? 0 : 1
  name                = "${var.name}-stub"
  location            = var.region
  deletion_protection = false # it holds nothing
  # execute reaches it the way that it reaches the voice agent, which is not always through the network. What keeps it
  # private is that only execute may call it.
  ingress = "INGRESS_TRAFFIC_ALL"

  template {
    service_account = google_service_account.account["stub"].email
    timeout         = "60s"

    # Its list of calls is in its memory: one instance has all of them.
    scaling {
      min_instance_count = 0
      max_instance_count = 1
    }

    containers {
      image = var.command_image
      args  = ["stub"]

      resources {
        limits   = { cpu = "1", memory = "512Mi" }
        cpu_idle = true
      }
    }
  }
}
