// Package tasks is a fixture of adapters that meet, and of a test helper and a
// stand-in in production.
package tasks

import (
	_ "lad.internal/house/internal/helper"          // want #0
	_ "lad.internal/house/internal/localstack/fake" // want #0
	_ "lad.internal/house/pkg/followup"
	_ "lad.internal/house/pkg/tenantdb" // want #0
)
