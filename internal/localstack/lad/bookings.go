package lad

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// createRequest is the body of POST. The second group is for tests and the demo.
type createRequest struct {
	LeadID         *string  `json:"leadId"`
	AssignedUserID *string  `json:"assignedUserId"` // null or absent: the lead's, or the tenant's first user
	BookingType    *string  `json:"bookingType"`
	ScheduledAt    *string  `json:"scheduledAt"` // RFC 3339
	Timezone       nullable `json:"timezone"`    // absent: GST

	Writer        *string         `json:"writer"`        // python, if absent, or node
	BookingSource *string         `json:"bookingSource"` // the writer's if absent
	Wall          *string         `json:"wall"`          // instead of scheduledAt: stored as it is
	Phone         nullable        `json:"phone"`         // null: the lead has no number; absent: a made-up one
	CountryCode   *string         `json:"countryCode"`   // of the lead
	BaseNumber    *json.Number    `json:"baseNumber"`
	LeadDeleted   *bool           `json:"leadDeleted"`
	LeadArchived  *bool           `json:"leadArchived"`
	Note          *string         `json:"note"`      // becomes the lead's latest note
	Metadata      json.RawMessage `json:"metadata"`  // an object
	Status        *string         `json:"status"`    // scheduled if absent
	CreatedAt     *string         `json:"createdAt"` // RFC 3339; now if absent
	Publish       *bool           `json:"publish"`   // false: the event is never published
}

// booking reads the fields and reports the first that is wrong.
func (q createRequest) booking() (b newBooking, err error) {
	var errs [8]error
	b.leadID, errs[0] = required("leadId", q.LeadID, parseID)
	b.assignedUserID, errs[1] = optional("assignedUserId", q.AssignedUserID, parseID)
	b.bookingType, errs[2] = required("bookingType", q.BookingType, parseText)
	by, err := optional("writer", q.Writer, parseWriter)
	errs[3] = err
	if by == nil {
		by = &python
	}
	b.timezone = new(defaultZone)
	if q.Timezone.given {
		b.timezone = q.Timezone.value
	}
	b.wall, errs[4] = q.wall(*by, b.timezone)
	b.status, errs[5] = optional("status", q.Status, parseStatus)
	b.createdAt, errs[6] = optional("createdAt", q.CreatedAt, parseTime)
	b.metadata, errs[7] = parseObject(q.Metadata)
	b.source = by.source
	if q.BookingSource != nil {
		b.source = *q.BookingSource
	}
	b.phone, b.note, b.countryCode, b.baseNumber = q.Phone, q.Note, q.CountryCode, (*string)(q.BaseNumber)
	b.leadDeleted, b.leadArchived = q.LeadDeleted, q.LeadArchived
	return b, cmp.Or(errs[:]...)
}

func (q createRequest) wall(by writer, zone *string) (string, error) {
	if q.Wall != nil {
		return *q.Wall, nil
	}
	at, err := required("scheduledAt", q.ScheduledAt, parseTime)
	if err != nil {
		return "", err
	}
	return by.wallClock(at, zone)
}

func (s *Server) createBooking(r *http.Request) (int, any, error) {
	tables, err := s.store(r)
	if err != nil {
		return 0, nil, err
	}
	var request createRequest
	if err := decode(r, &request); err != nil {
		return 0, nil, err
	}
	booking, err := request.booking()
	if err != nil {
		return 0, nil, err
	}
	id, err := tables.create(r.Context(), booking)
	if err != nil {
		return 0, nil, err
	}
	if request.Publish == nil || *request.Publish {
		s.publish(r.Context(), Event{BookingCreated, tables.tenant, id})
	}
	return http.StatusCreated, map[string]string{"id": id}, nil
}

// changeRequest is the body of PATCH. Absent fields stay as they are: another scheduledAt is written
// in the row's timezone, and another timezone alone leaves the wall clock.
type changeRequest struct {
	ScheduledAt *string  `json:"scheduledAt"` // RFC 3339
	Wall        *string  `json:"wall"`        // instead: stored as it is
	Timezone    nullable `json:"timezone"`
	Status      *string  `json:"status"`
	Publish     *bool    `json:"publish"` // false: the event is never published
}

func (q changeRequest) change() (c change, err error) {
	if q.ScheduledAt == nil && q.Wall == nil && !q.Timezone.given && q.Status == nil {
		return c, problem{http.StatusBadRequest, "missing_field", "scheduledAt, wall, timezone or status is needed"}
	}
	c.wall, c.timezone = q.Wall, q.Timezone
	if c.scheduledAt, err = optional("scheduledAt", q.ScheduledAt, parseTime); err != nil {
		return c, err
	}
	c.status, err = optional("status", q.Status, parseStatus)
	return c, err
}

func (s *Server) changeBooking(r *http.Request) (int, any, error) {
	tables, id, err := s.booking(r)
	if err != nil {
		return 0, nil, err
	}
	var request changeRequest
	if err := decode(r, &request); err != nil {
		return 0, nil, err
	}
	change, err := request.change()
	if err != nil {
		return 0, nil, err
	}
	booking, err := tables.change(r.Context(), id, change)
	if err != nil {
		return 0, nil, err
	}
	if request.Publish == nil || *request.Publish {
		kind := BookingUpdated
		if change.status != nil && *change.status == "cancelled" {
			kind = BookingCancelled
		}
		s.publish(r.Context(), Event{kind, tables.tenant, id})
	}
	return http.StatusOK, booking, nil
}

func (s *Server) showBooking(r *http.Request) (int, any, error) {
	tables, id, err := s.booking(r)
	if err != nil {
		return 0, nil, err
	}
	booking, err := tables.show(r.Context(), id)
	return http.StatusOK, booking, err
}

// booking reads the tenant and the booking's id.
func (s *Server) booking(r *http.Request) (store, string, error) {
	tables, err := s.store(r)
	if err != nil {
		return store{}, "", err
	}
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return store{}, "", invalid("the booking's id", err)
	}
	return tables, id, nil
}
