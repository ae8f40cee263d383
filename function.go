// Package function is what the Go buildpack of Cloud Run functions builds: it
// parses the root package alone, wants to find the framework's functions package
// imported in it, and serves what the imports below register.
package function

import (
	_ "github.com/GoogleCloudPlatform/functions-framework-go/functions" // looked for by the buildpack

	_ "lad.internal/followup/functions/execute"  // ExecuteFollowUp
	_ "lad.internal/followup/functions/schedule" // ScheduleFollowUp
)
