// Package upward is a fixture of imports against the direction.
package upward

import (
	_ "lad.internal/house/functions/execute" // want #0
	_ "lad.internal/house/pkg/tasks"
)
