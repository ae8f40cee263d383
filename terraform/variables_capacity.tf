# How much of it, and the database.

variable "schedule" {
  description = "Size of ScheduleFollowUp: what an event or a sweep needs."
  type        = object({ min_instances = optional(number, 0), max_instances = optional(number, 3), concurrency = optional(number, 10), cpu = optional(number, 1), memory = optional(string, "512Mi") })
  default     = {}
}

variable "execute" {
  description = "Size of ExecuteFollowUp. A call holds a request for up to VOICE_AGENT_TIMEOUT, and no database connection."
  type        = object({ min_instances = optional(number, 0), max_instances = optional(number, 5), concurrency = optional(number, 20), cpu = optional(number, 1), memory = optional(string, "512Mi") })
  default     = {}
}

variable "queue_name" {
  description = "The queue's name. LAD's own scheduler uses follow-up-calls too, unless told otherwise: where it has run in this project and region, choose another name, since the cut-over empties LAD's queue (docs/cut-over.md)."
  type        = string
  default     = "follow-up-calls"
}

variable "queue_calls_per_second" {
  description = "How many tasks a second the queue sends. Each call that must wait for VOICE_AGENT_LIMIT costs one more, so twice the calls that the limit allows will do."
  type        = number
  default     = 1
}

variable "queue_concurrent_calls" {
  description = "How many tasks the queue has under way at once: what the voice agent and execute can bear."
  type        = number
  default     = 50
}

variable "existing_instance" {
  description = "LAD's own Cloud SQL instance, as project:region:instance. Null makes a new one."
  type        = string
  default     = null
  validation {
    condition     = var.existing_instance == null || can(regex("^[a-z0-9.:-]+:[a-z0-9-]+:[a-z0-9-]+$", var.existing_instance))
    error_message = "existing_instance must be of the form project:region:instance."
  }
}

variable "database_name" {
  description = "The database that holds LAD's tables."
  type        = string
  default     = "lad"
}

variable "database_private_ip" {
  description = "Reach the database by its private address. False only for an existing instance that has none: the jobs then need Cloud NAT, which a network that is made here has, and the instance must let its address in (output nat_address)."
  type        = bool
  default     = true
  validation {
    condition     = var.database_private_ip || var.existing_instance != null
    error_message = "A new instance has a private address only: leave database_private_ip true."
  }
}

variable "database_connections_per_instance" {
  description = "Connections that one instance of a function, or a job, may open (DB_MAX_CONNS)."
  type        = number
  default     = 4
  validation {
    condition     = var.database_connections_per_instance >= 2 && floor(var.database_connections_per_instance) == var.database_connections_per_instance
    error_message = "database_connections_per_instance must be 2 or more: a sweep uses two at once."
  }
}

variable "database_max_connections" {
  description = "max_connections of the instance: set on a new one, believed of an existing one."
  type        = number
  default     = 200
}

variable "database_reserved_connections" {
  description = "Connections of max_connections that are kept for LAD's own services and for people."
  type        = number
  default     = 100
}

variable "database_version" {
  description = "PostgreSQL's version on a new instance: POSTGRES_15 or newer."
  type        = string
  default     = "POSTGRES_16"
}

variable "database_tier" {
  description = "Machine of a new instance, as db-custom-CPUS-MEGABYTES. A shared-core one (db-f1-micro, db-g1-small) has no service level, and 25 connections."
  type        = string
  default     = "db-custom-1-3840"
}

variable "database_highly_available" {
  description = "Keep a stand-by in another zone. It doubles the price of a new instance."
  type        = bool
  default     = true
}

variable "network" {
  description = "An existing VPC network, as projects/P/global/networks/N, from which the database's private address can be reached. Null makes one."
  type        = string
  default     = null
  validation {
    condition     = (var.network == null) == (var.subnetwork == null)
    error_message = "network and subnetwork go together: set both or neither."
  }
  validation {
    condition     = var.network != null || var.existing_instance == null || !var.database_private_ip
    error_message = "An existing instance's private address is reached through its own network: set network and subnetwork."
  }
}

variable "subnetwork" {
  description = "The existing subnetwork, as projects/P/regions/R/subnetworks/S, that functions and jobs take their addresses from: /26 or larger, with Private Google Access."
  type        = string
  default     = null
}

variable "subnetwork_range" {
  description = "Addresses of the new subnetwork, in CIDR form: /26 or larger."
  type        = string
  default     = "10.90.0.0/24"
}

variable "all_traffic_through_vpc" {
  description = "Send the functions' calls to the internet through the VPC as well, as a voice agent with internal ingress or an allow-list of addresses needs. That takes Cloud NAT, which a network that is made here gets, with one address (output nat_address)."
  type        = bool
  default     = false
}
