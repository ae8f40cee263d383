package cloudtasks

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pageTokenLife: "The page token is valid for only 2 hours" (ListTasksRequest.page_token).
const pageTokenLife = 2 * time.Hour

// pageRequest is one call for a page of names.
type pageRequest struct {
	scope string // what is being listed; a token is good for one scope only
	token string
	size  int32
	limit int32 // the largest page; also the size if none is given
}

// pageToken says where the next page begins. Going by name, not by position, it stays right while
// entries come and go.
type pageToken struct {
	Scope  string    `json:"s"`
	After  string    `json:"a"`
	Issued time.Time `json:"t"`
}

// cut sorts names in place and returns those of the page, with the token of the page after it.
func (p pageRequest) cut(names []string, now time.Time) (page []string, next string, err error) {
	if p.size < 0 {
		return nil, "", status.Errorf(codes.InvalidArgument, "page_size %d is negative", p.size)
	}
	slices.Sort(names)
	if p.token != "" {
		t, err := p.open(now)
		if err != nil {
			return nil, "", err
		}
		i, found := slices.BinarySearch(names, t.After)
		if found {
			i++
		}
		names = names[i:]
	}
	size := int(p.size)
	if size == 0 || size > int(p.limit) {
		size = int(p.limit)
	}
	if len(names) <= size {
		return names, "", nil
	}
	b, err := json.Marshal(pageToken{Scope: p.scope, After: names[size-1], Issued: now})
	if err != nil {
		return nil, "", status.Errorf(codes.Internal, "encode page token: %v", err)
	}
	return names[:size], base64.RawURLEncoding.EncodeToString(b), nil
}

func (p pageRequest) open(now time.Time) (pageToken, error) {
	var t pageToken
	b, err := base64.RawURLEncoding.DecodeString(p.token)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	switch {
	case err != nil:
		return t, status.Error(codes.InvalidArgument, "page_token was not issued by this server")
	case t.Scope != p.scope:
		return t, status.Error(codes.InvalidArgument, "page_token belongs to another list: parent and filter must stay the same from page to page")
	case now.Sub(t.Issued) > pageTokenLife:
		return t, status.Errorf(codes.InvalidArgument, "page_token has expired: it is valid for %s", pageTokenLife)
	}
	return t, nil
}
