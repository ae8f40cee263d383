package lad

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// createRequest is the body of POST. The second group is for tests and the demo.
type createRequest struct {
	LeadID         *string `json:"leadId"`
	AssignedUserID *string `json:"assignedUserId"` // null or absent: nobody is assigned
	BookingType    *string `json:"bookingType"`
	ScheduledAt    *string `json:"scheduledAt"` // RFC 3339

	Phone     nullable        `json:"phone"`     // null: the lead has no number; absent: a made-up one
	Note      *string         `json:"note"`      // becomes the lead's latest note
	Metadata  json.RawMessage `json:"metadata"`  // an object
	Status    *string         `json:"status"`    // scheduled if absent
	CreatedAt *string         `json:"createdAt"` // RFC 3339; now if absent
	Publish   *bool           `json:"publish"`   // false: the event is never published
}

// booking reads the fields and reports the first that is wrong.
func (q createRequest) booking() (b newBooking, err error) {
	var errs [7]error
	b.leadID, errs[0] = required("leadId", q.LeadID, parseID)
	b.assignedUserID, errs[1] = optional("assignedUserId", q.AssignedUserID, parseID)
	b.bookingType, errs[2] = required("bookingType", q.BookingType, parseText)
	b.scheduledAt, errs[3] = required("scheduledAt", q.ScheduledAt, parseTime)
	b.status, errs[4] = optional("status", q.Status, parseStatus)
	b.createdAt, errs[5] = optional("createdAt", q.CreatedAt, parseTime)
	b.metadata, errs[6] = parseObject(q.Metadata)
	b.phone, b.note = q.Phone, q.Note
	return b, cmp.Or(errs[:]...)
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

// changeRequest is the body of PATCH. Absent fields stay as they are.
type changeRequest struct {
	ScheduledAt *string `json:"scheduledAt"` // RFC 3339
	Status      *string `json:"status"`
	Publish     *bool   `json:"publish"` // false: the event is never published
}

func (q changeRequest) change() (c change, err error) {
	if q.ScheduledAt == nil && q.Status == nil {
		return c, problem{http.StatusBadRequest, "missing_field", "scheduledAt or status is needed"}
	}
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
