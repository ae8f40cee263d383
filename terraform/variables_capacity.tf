# How much of it, and the database.

variable "schedule" {
  description = "Size of ScheduleFollowUp: what an event or a sweep needs."
  type = object({
    min_instances = optional(number, 0)
    max_instances = optional(number, 3)
    concurrency   = optional(number, 10)
    cpu           = optional(number, 1)
    memory        = optional(string, "512Mi")
  })
  default = {}

  validation {
    condition     = var.schedule.min_instances >= 0 && var.schedule.max_instances >= max(1, var.schedule.min_instances)
    error_message = "schedule needs max_instances of at least 1, and no fewer than min_instances."
  }
  validation {
    # Google's own default of one request at a time is the only one it allows
    # below a whole CPU.
    condition     = var.schedule.concurrency >= 1 && var.schedule.concurrency <= 1000 && (var.schedule.concurrency == 1 || var.schedule.cpu >= 1)
    error_message = "schedule needs a concurrency from 1 to 1000, and a whole cpu if it is above 1."
  }
  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.schedule.memory))
    error_message = "schedule needs memory in Mi or Gi, as 512Mi."
  }
}

variable "execute" {
  description = "Size of ExecuteFollowUp. A call holds a request for up to call_timeout_seconds, and no database connection."
  type = object({
    min_instances = optional(number, 0)
    max_instances = optional(number, 5)
    concurrency   = optional(number, 20)
    cpu           = optional(number, 1)
    memory        = optional(string, "512Mi")
  })
  default = {}

  validation {
    condition     = var.execute.min_instances >= 0 && var.execute.max_instances >= max(1, var.execute.min_instances)
    error_message = "execute needs max_instances of at least 1, and no fewer than min_instances."
  }
  validation {
    condition     = var.execute.concurrency >= 1 && var.execute.concurrency <= 1000 && (var.execute.concurrency == 1 || var.execute.cpu >= 1)
    error_message = "execute needs a concurrency from 1 to 1000, and a whole cpu if it is above 1."
  }
  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.execute.memory))
    error_message = "execute needs memory in Mi or Gi, as 512Mi."
  }
}

variable "queue_name" {
  description = "The queue's name. LAD's own scheduler uses follow-up-calls too, unless told otherwise: where it has run in this project and region, choose another name, since the cut-over empties LAD's queue (docs/cut-over.md)."
  type        = string
  default     = "follow-up-calls"

  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,100}$", var.queue_name))
    error_message = "queue_name must have 1 to 100 letters, digits and hyphens."
  }
}

variable "queue_calls_per_second" {
  description = "How many tasks a second the queue sends. Each call that must wait for VOICE_AGENT_LIMIT costs one more, so twice the calls that the limit allows will do."
  type        = number
  default     = 1

  validation {
    condition     = var.queue_calls_per_second > 0 && var.queue_calls_per_second <= 500
    error_message = "queue_calls_per_second must be above 0 and at most 500, which is Cloud Tasks' limit."
  }
}

variable "queue_concurrent_calls" {
  description = "How many tasks the queue has under way at once: what the voice agent and execute can bear."
  type        = number
  default     = 50

  validation {
    condition     = var.queue_concurrent_calls >= 1 && var.queue_concurrent_calls <= 5000 && floor(var.queue_concurrent_calls) == var.queue_concurrent_calls
    error_message = "queue_concurrent_calls must be a whole number from 1 to 5000, which is Cloud Tasks' limit."
  }
}

variable "queue_log_sampling" {
  description = "The share of the queue's operations that it logs."
  type        = number
  default     = 1

  validation {
    condition     = var.queue_log_sampling >= 0 && var.queue_log_sampling <= 1
    error_message = "queue_log_sampling must be from 0 to 1."
  }
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

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_-]{0,62}$", var.database_name))
    error_message = "database_name must begin with a letter and have at most 63 letters, digits, _ and -."
  }
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

  validation {
    condition     = var.database_max_connections >= 25 && var.database_max_connections <= 10000 && floor(var.database_max_connections) == var.database_max_connections
    error_message = "database_max_connections must be a whole number from 25 to 10000."
  }
}

variable "database_reserved_connections" {
  description = "Connections of max_connections that are kept for LAD's own services and for people."
  type        = number
  default     = 100

  validation {
    condition     = var.database_reserved_connections >= 10
    error_message = "database_reserved_connections must be 10 or more: Cloud SQL and whoever repairs things need some."
  }
}

variable "database_version" {
  description = "PostgreSQL's version on a new instance."
  type        = string
  default     = "POSTGRES_16"

  validation {
    condition     = can(regex("^POSTGRES_1[5-9]$", var.database_version))
    error_message = "database_version must be POSTGRES_15 or newer."
  }
}

variable "database_tier" {
  description = "Machine of a new instance, as db-custom-CPUS-MEGABYTES."
  type        = string
  default     = "db-custom-1-3840"

  validation {
    # Shared-core machines have no service level, and 25 connections.
    condition     = can(regex("^db-custom-[1-9][0-9]*-[1-9][0-9]*$", var.database_tier))
    error_message = "database_tier must be of the form db-custom-CPUS-MEGABYTES, as db-custom-1-3840."
  }
}

variable "database_disk_gb" {
  description = "First size of a new instance's disk, in GB. It grows by itself."
  type        = number
  default     = 10

  validation {
    condition     = var.database_disk_gb >= 10
    error_message = "database_disk_gb must be 10 or more."
  }
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

  validation {
    condition     = can(cidrhost(var.subnetwork_range, 0))
    error_message = "subnetwork_range must be in CIDR form, as 10.90.0.0/24."
  }
}

variable "all_traffic_through_vpc" {
  description = "Send the functions' calls to the internet through the VPC as well, as a voice agent with internal ingress or an allow-list of addresses needs. That takes Cloud NAT, which a network that is made here gets, with one address (output nat_address)."
  type        = bool
  default     = false
}
