# What every test begins with; a run changes what it is about.
project_id           = "lad-test"
region               = "europe-west1"
active_since         = "2026-01-31T00:00:00Z"
tenant_schema        = "lad_dev"
voice_agent_base_url = "https://voice.example.com"
secret_versions      = { INTERNAL_SERVICE_SECRET = "1", OWNER_DATABASE_URL = "2" }
command_image        = "europe-west1-docker.pkg.dev/lad-test/followup/command@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
