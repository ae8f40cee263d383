output "next_steps" {
  description = "What to do after an apply, in this order. Each can be done again."
  value = merge(
    length(local.job_names) == 0 ? {
      "1 build the command" = "gcloud builds submit .. --project=${var.project_id} --pack=image=${var.region}-docker.pkg.dev/${var.project_id}/${var.name}/command,env=GOOGLE_BUILDABLE=./cmd/followup"
      "2 add the jobs"      = "terraform apply, with command_image set to the image's digest"
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

output "queue" {
  description = "The queue. To stop and to go on: gcloud tasks queues pause, and resume."
  value       = google_cloud_tasks_queue.calls.id
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

output "command_environment" {
  description = "The settings for `followup` at a desk: as the job doctor has them, with your own login as DB_USER."
  value       = local.environment.doctor
}
