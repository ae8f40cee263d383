// Package followup is a fixture of an import against the direction.
package followup

import _ "lad.internal/house/internal/text" // want #0
