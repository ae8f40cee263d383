output "next_steps" {
  description = "What to do after an apply, in this order. Each can be done again."
  value = merge(
    length(local.job_names) == 0 ? {
      "1 build the command" = "../scripts/deploy.sh image ${var.project_id} ${var.region} ${var.name} first"
      "2 add the jobs"      = "terraform apply -var command_image=$(cat ../tmp/command_image)"
      } : {
      "1 migrate LAD's schemas" = "gcloud run jobs execute ${var.name}-migrate --project=${var.project_id} --region=${var.region} --wait"
      "2 check the deployment"  = "gcloud run jobs execute ${var.name}-doctor --project=${var.project_id} --region=${var.region} --wait"
    },
    {
      "3 see that sweeps come"         = "gcloud logging read 'resource.labels.service_name=\"${local.function_names.schedule}\" jsonPayload.event=\"sweep_done\"' --project=${var.project_id} --limit=3"
      "4 see how long events may take" = "gcloud pubsub subscriptions list --project=${var.project_id} --filter=topic:${google_pubsub_topic.events.name} --format='value(name, ackDeadlineSeconds)'"
    },
  )
}

output "execute_url" {
  description = "The address of ExecuteFollowUp, and the audience of its tasks' tokens. It answers inside the project only."
  value       = local.execute_url
}

output "topic" {
  description = "Where LAD's backend publishes its events: FOLLOWUP_TOPIC of docs/events.md."
  value       = google_pubsub_topic.events.name
}

output "instance_connection_name" {
  description = "The database's instance, for the Cloud SQL Auth Proxy."
  value       = local.instance.connection_name
}

output "database_address" {
  description = "The new instance's private address, for OWNER_DATABASE_URL. Null with an existing instance."
  value       = local.new_instance ? google_sql_database_instance.lad[0].private_ip_address : null
}

output "service_accounts" {
  description = "The accounts by what they do. event_publishers and the voice agent's own grants name them."
  value       = { for who, account in google_service_account.account : who => account.email }
}

output "nat_address" {
  description = "The one address that jobs, and with all_traffic_through_vpc the functions, reach the internet from: for the lists of LAD's database and voice agent. Null where no NAT was made."
  value       = one(google_compute_address.nat[*].address)
}

output "operate" {
  description = "How people run `followup`: inside the network, as a job. The words of the command go into --args, with commas between them."
  value = length(local.job_names) == 0 ? {} : {
    "look"            = "gcloud run jobs execute ${var.name}-doctor --project=${var.project_id} --region=${var.region} --args=drift,--all --wait"
    "change"          = "gcloud run jobs execute ${var.name}-operate --project=${var.project_id} --region=${var.region} --args=retry,BOOKING,--tenant=TENANT,--yes --update-env-vars=FOLLOWUP_OPERATOR=YOUR-NAME --wait"
    "read the answer" = "gcloud logging read 'resource.type=\"cloud_run_job\" AND resource.labels.job_name=(\"${var.name}-doctor\" OR \"${var.name}-operate\")' --project=${var.project_id} --freshness=10m --limit=100 --format='value(textPayload,jsonPayload.message)' | tac"
  }
}

output "command_environment" {
  description = "The settings of the job doctor, for `followup` on a machine that reaches the database, with a login of one's own as DB_USER (docs/playbooks/README.md)."
  value       = local.environment.doctor
}
