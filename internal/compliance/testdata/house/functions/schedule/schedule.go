// Package schedule is a fixture of functions that meet.
package schedule

import (
	_ "lad.internal/house/functions/execute" // want #0
	_ "lad.internal/house/pkg/tasks"
)
