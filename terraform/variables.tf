# Where it runs and whom it works for. The rules of the calls are in variables_rules.tf, sizes and the database in
# variables_capacity.tf.
#
# What is checked here is what nobody else would refuse before it does harm. Google checks the forms of names, and the
# functions their settings.

variable "project_id" {
  description = "The id of the Google Cloud project that everything is made in."
  type        = string
}

variable "region" {
  description = "The region of functions, queue, topic and database. Cloud Tasks must be offered there."
  type        = string
}

variable "name" {
  description = "What the names of all that is made begin with. A second deployment in one project, such as a staging one, needs another."
  type        = string
  default     = "followup"
  validation {
    # Service accounts allow 30 characters, and "-scheduler" follows.
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 16 small letters, digits and hyphens."
  }
}

variable "labels" {
  description = "Labels of everything that can carry them."
  type        = map(string)
  default     = {}
}

variable "tenant_schema" {
  description = "The schema that all tenants share, as lad_dev. Or else tenant_registry."
  type        = string
  default     = null
  validation {
    condition     = (var.tenant_schema == null) != (var.tenant_registry == null)
    error_message = "Set either tenant_schema, if all tenants share one schema, or tenant_registry."
  }
}

variable "tenant_registry" {
  description = "The table, as schema.table, with the columns tenant_id and schema_name. Or else tenant_schema."
  type        = string
  default     = null
}

variable "event_publishers" {
  description = "Who may publish to the topic: LAD's backend, as serviceAccount:backend@project.iam.gserviceaccount.com. None: the sweep finds every booking within a minute."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for m in var.event_publishers : can(regex("^(serviceAccount|principal):[^\\s]+$", m))])
    error_message = "event_publishers must be service accounts or single workload identities, each as serviceAccount:… or principal:…."
  }
}

variable "oidc_mode" {
  description = "Who checks the signature of a task's token: verify, execute itself, which Cloud Run then lets everybody reach who is inside the network; or iam, Cloud Run, which then lets nobody but the invoker through and takes the signature out, so that execute believes what it is told. iam is for an organisation whose policy refuses allUsers (iam.allowedPolicyMemberDomains)."
  type        = string
  default     = "verify"
}

variable "secret_versions" {
  description = "The version, by number, of each secret that is used: INTERNAL_SERVICE_SECRET, VOICE_AGENT_API_KEY, VOICE_AGENT_JWT_SECRET, OWNER_DATABASE_URL. bootstrap/ makes the secrets, gcloud adds the versions; no value ever comes to Terraform."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for k in keys(var.secret_versions) : contains(["INTERNAL_SERVICE_SECRET", "VOICE_AGENT_API_KEY", "VOICE_AGENT_JWT_SECRET", "OWNER_DATABASE_URL"], k)])
    error_message = "secret_versions knows INTERNAL_SERVICE_SECRET, VOICE_AGENT_API_KEY, VOICE_AGENT_JWT_SECRET and OWNER_DATABASE_URL."
  }
  validation {
    # A running instance keeps the value it started with, so that "latest" would mean two values at a time.
    condition     = alltrue([for v in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", v))])
    error_message = "secret_versions must be numbers, as \"1\": what is deployed must not depend on when an instance starts."
  }
}

variable "command_image" {
  description = "The image whose entry point is cmd/followup, by digest. The jobs migrate, doctor and operate run it; without it there are no jobs."
  type        = string
  default     = null
  validation {
    condition     = var.command_image == null || can(regex("^[^\\s@]+@sha256:[0-9a-f]{64}$", var.command_image))
    error_message = "command_image must end in @sha256: and the digest: a tag may name another image tomorrow."
  }
  validation {
    condition     = var.command_image == null || contains(keys(var.secret_versions), "OWNER_DATABASE_URL")
    error_message = "command_image needs secret_versions[\"OWNER_DATABASE_URL\"]: the job migrate logs in with it."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the database, here and in Cloud SQL itself. Set it to false and apply before `terraform destroy`."
  type        = bool
  default     = true
}

variable "canary" {
  description = "The id of a tenant of LAD's that is kept for trying deployments. Its calls, and no others, go to a stub that rings nobody, and the job smoke books one (docs/deploy-pipeline.md). Null: no stub, and no smoke test."
  type        = string
  default     = null
  validation {
    condition     = var.canary == null || var.command_image != null
    error_message = "canary needs command_image: the stub and the job smoke run it."
  }
}
