// Package deploycheck holds the check that Terraform deploys what the code
// expects: its tests evaluate the locals of terraform/ and give the environments
// that come out to the functions' own configuration, and the archive to the compiler.
//
// They also run both functions, and count what these log by the metrics of
// terraform/monitoring_metrics.tf: a field that is renamed in the code alone
// would silence an alert.
//
// And they read cloudbuild.yaml, and the builds that it submits, as Cloud Build does,
// and run each step of scripts/deploy.sh with stand-ins for gcloud and terraform.
//
// They read the files themselves, so that they need no Terraform. They refuse to
// know resources: whether a plan is right is for terraform/tests.
package deploycheck
