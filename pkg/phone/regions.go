package phone

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"
)

// Regions is FOLLOWUP_DEFAULT_REGION: the country of numbers that name none, for
// all tenants and for some. Its zero value knows none.
type Regions struct {
	all     string
	tenants map[uuid.UUID]string
}

// UnmarshalText reads ISO 3166 codes: one for all tenants, as AE, exceptions by
// tenant, as AE,<tenant id>=SA, or exceptions alone.
func (r *Regions) UnmarshalText(text []byte) error {
	*r = Regions{tenants: map[uuid.UUID]string{}}
	if strings.TrimSpace(string(text)) == "" {
		return nil
	}
	for i, part := range strings.Split(string(text), ",") {
		id, region, exception := strings.Cut(strings.TrimSpace(part), "=")
		if !exception {
			id, region = "", id
		}
		region = strings.ToUpper(strings.TrimSpace(region))
		if !phonenumbers.GetSupportedRegions()[region] || !exception && i > 0 {
			return fmt.Errorf("want a country's two letters, as AE, then exceptions by tenant, as AE,<tenant id>=SA")
		}
		if !exception {
			r.all = region
			continue
		}
		tenant, err := uuid.Parse(strings.TrimSpace(id))
		if _, twice := r.tenants[tenant]; err != nil || tenant == uuid.Nil || twice {
			return fmt.Errorf("want the UUID of a tenant, each once, in front of =, as AE,<tenant id>=SA")
		}
		r.tenants[tenant] = region
	}
	return nil
}

// For is a tenant's region; "" if it has none.
func (r Regions) For(tenant uuid.UUID) string {
	if region, ok := r.tenants[tenant]; ok {
		return region
	}
	return r.all
}

// String is the form that UnmarshalText reads, tenants in order.
func (r Regions) String() string {
	var parts []string
	if r.all != "" {
		parts = append(parts, r.all)
	}
	for _, tenant := range slices.SortedFunc(maps.Keys(r.tenants), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
		parts = append(parts, tenant.String()+"="+r.tenants[tenant])
	}
	return strings.Join(parts, ",")
}
