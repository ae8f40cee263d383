package followup

import "testing"

func TestANameIsWhatThereIsOfIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lead Lead
		want string
	}{
		{Lead{FirstName: "Ada", LastName: "Lovelace"}, "Ada Lovelace"},
		{Lead{FirstName: " Ada ", LastName: "\tLovelace\n"}, "Ada Lovelace"},
		{Lead{FirstName: "Ada"}, "Ada"},
		{Lead{LastName: "Lovelace"}, "Lovelace"},
		{Lead{FirstName: " ", LastName: " "}, ""},
		{Lead{}, ""},
	} {
		if got := c.lead.Name(); got != c.want {
			t.Errorf("%q %q is %q, want %q", c.lead.FirstName, c.lead.LastName, got, c.want)
		}
	}
}
