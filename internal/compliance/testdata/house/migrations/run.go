// Package migrations is a fixture of one that does not stand alone.
package migrations

import _ "lad.internal/house/pkg/tenantdb" // want #0
