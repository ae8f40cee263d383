package followup_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
)

// A new booking is armed; stored as the decision says, it is left alone; and
// when LAD moves it, it is armed again for its new time.
func ExampleRules_Plan() {
	rules := followup.Rules{
		ActiveSince:  time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC),
		BookingTypes: []string{"follow_up"},
		Horizon:      7 * 24 * time.Hour,
		MaxLateness:  24 * time.Hour,
		Lease:        2 * time.Minute,
		Grace:        5 * time.Minute,
	}
	now := time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)
	booking := followup.Booking{
		Ref: followup.Ref{
			TenantID:  uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
			BookingID: uuid.MustParse("c9bf9e57-1685-4c89-bafb-ff5af830be8a"),
		},
		Type:        "follow-up",
		ScheduledAt: now.Add(time.Hour),
		CreatedAt:   now,
		Status:      followup.BookingScheduled,
		Task:        followup.Task{Status: followup.Pending},
	}
	show := func(d followup.Decision) {
		fmt.Println(d.Effect, "by", d.Rule)
		if d.Effect == followup.Arm {
			fmt.Println("  revision", d.Next.Revision, "due", d.Next.DueAt.Format(time.TimeOnly))
		}
	}

	decision := rules.Plan(&booking, now)
	show(decision)

	booking.Task = decision.Next
	show(rules.Plan(&booking, now))

	booking.ScheduledAt = booking.ScheduledAt.Add(time.Hour)
	show(rules.Plan(&booking, now))

	// Output:
	// arm by arm
	//   revision 1 due 13:00:00
	// none by on_its_way
	// arm by arm
	//   revision 2 due 14:00:00
}
