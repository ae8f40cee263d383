# A tenant on whom deployments are tried.

variable "canary" {
  description = "The id of a tenant of LAD's that is kept for trying deployments. Its calls, and no others, go to a stub that rings nobody, and the job smoke books one (docs/deploy-pipeline.md). Null: no stub, and no smoke test."
  type        = string
  default     = null

  validation {
    condition     = var.canary == null || can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.canary))
    error_message = "canary must be a tenant's id: a UUID of 36 characters."
  }
  validation {
    condition     = var.canary == null || var.command_image != null
    error_message = "canary needs command_image: the stub and the job smoke run it."
  }
}
