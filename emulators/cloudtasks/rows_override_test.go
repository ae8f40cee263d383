package cloudtasks_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
)

func (f *fixture) override(target *cloudtaskspb.HttpTarget) {
	f.t.Helper()
	f.settings(&cloudtaskspb.Queue{HttpTarget: target})
}

// workerURL splits the worker's address for an override.
func (f *fixture) workerURL() (host *string, port *int64) {
	f.t.Helper()
	u, err := url.Parse(f.worker.URL)
	if err != nil {
		f.t.Fatal(err)
	}
	h := u.Hostname()
	p, err := strconv.ParseInt(u.Port(), 10, 64)
	if err != nil {
		f.t.Fatal(err)
	}
	return &h, &p
}

func overrideRows() []row {
	toHTTP := cloudtaskspb.UriOverride_HTTP
	elsewhere := push(func(r *cloudtaskspb.HttpRequest) { r.Url = "https://worker.invalid:1/old?a=1" })
	return []row{
		{"a queue can override the whole URL", fromProto,
			"When specified, overrides the execution URI for all the tasks in the queue.",
			func(t *testing.T, f *fixture) {
				host, port := f.workerURL()
				f.override(&cloudtaskspb.HttpTarget{UriOverride: &cloudtaskspb.UriOverride{
					Scheme: &toHTTP, Host: host, Port: port,
					PathOverride:  &cloudtaskspb.PathOverride{Path: "/new"},
					QueryOverride: &cloudtaskspb.QueryOverride{QueryParams: "b=2"},
				}})
				equal(t, "path", f.sent(f.task("a", elsewhere)).path, "/new?b=2")
			}},
		{"an override that is not enforced fills gaps only", fromProto,
			"In the IF_NOT_EXISTS mode, queue-level configuration is only applied where task-level configuration does not exist.",
			func(t *testing.T, f *fixture) {
				wrong, port := "worker.invalid", int64(1)
				f.override(&cloudtaskspb.HttpTarget{UriOverride: &cloudtaskspb.UriOverride{
					Host: &wrong, Port: &port,
					PathOverride:           &cloudtaskspb.PathOverride{Path: "/new"},
					QueryOverride:          &cloudtaskspb.QueryOverride{QueryParams: "b=2"},
					UriOverrideEnforceMode: cloudtaskspb.UriOverride_IF_NOT_EXISTS,
				}})
				equal(t, "path", f.sent(f.task("a")).path, "/handle?b=2")
			}},
		{"an empty path clears the path", fromProto,
			"Setting the path value to an empty string clears the URI path segment.",
			func(t *testing.T, f *fixture) {
				f.override(&cloudtaskspb.HttpTarget{UriOverride: &cloudtaskspb.UriOverride{PathOverride: &cloudtaskspb.PathOverride{}}})
				equal(t, "path", f.sent(f.task("a")).path, "/")
			}},
		{"an empty host is refused", fromProto,
			"Host value cannot be an empty string (INVALID_ARGUMENT).",
			func(t *testing.T, f *fixture) {
				none, port := "", int64(-1)
				for _, o := range []*cloudtaskspb.UriOverride{{Host: &none}, {Port: &port}} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", HttpTarget: &cloudtaskspb.HttpTarget{UriOverride: o}})
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"a queue can override the method, and GET drops the body", fromProto,
			"Note that if the value is set to HttpMethodGET the HttpRequestbody of the task will be ignored at execution time.",
			func(t *testing.T, f *fixture) {
				f.override(&cloudtaskspb.HttpTarget{HttpMethod: cloudtaskspb.HttpMethod_GET})
				got := f.sent(f.task("a"))
				equal(t, "method", got.method, "GET")
				equal(t, "body", got.body, "")
			}},
		{"a queue can override headers", fromProto,
			"Queue-level headers to override headers of all the tasks in the queue.",
			func(t *testing.T, f *fixture) {
				overrides := []*cloudtaskspb.HttpTarget_HeaderOverride{{Header: &cloudtaskspb.HttpTarget_Header{Key: "X-CloudTasks-TaskName", Value: "forged"}}}
				own := map[string]string{}
				for _, id := range strings.Split("abcdefghij", "") { // spelled differently, so that both spellings could be sent
					overrides = append(overrides, &cloudtaskspb.HttpTarget_HeaderOverride{Header: &cloudtaskspb.HttpTarget_Header{Key: "x-" + id, Value: "queue"}})
					own["X-"+strings.ToUpper(id)] = "task"
				}
				f.override(&cloudtaskspb.HttpTarget{HeaderOverrides: overrides})
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) { r.Headers = own })))
				for name := range own {
					equal(t, name, strings.Join(got.header.Values(name), ","), "queue")
				}
				equal(t, "TaskName", got.header.Get("X-CloudTasks-TaskName"), "a")
			}},
		{"a queue can override the token", fromProto,
			"If specified at the Queue level, all Authorization headers in the HttpRequest.headers field are overridden.",
			func(t *testing.T, f *fixture) {
				f.override(&cloudtaskspb.HttpTarget{AuthorizationHeader: &cloudtaskspb.HttpTarget_OidcToken{
					OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: "queue@p.iam.gserviceaccount.com", Audience: "queue-audience"}}})
				claims := f.claims(f.sent(f.task("a", oidc(account, "task-audience"))))
				equal(t, "email", claims["email"], any("queue@p.iam.gserviceaccount.com"))
				equal(t, "audience", claims["aud"], any("queue-audience"))
			}},
		{"a queue's token needs its audience", fromProto,
			"Note that both the service account email and the audience MUST be specified when using the queue-level authorization override.",
			func(t *testing.T, f *fixture) {
				for _, o := range []*cloudtaskspb.OidcToken{{ServiceAccountEmail: account}, {Audience: "a"}} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", HttpTarget: &cloudtaskspb.HttpTarget{
						AuthorizationHeader: &cloudtaskspb.HttpTarget_OidcToken{OidcToken: o}}})
					f.want(codes.InvalidArgument, err)
				}
			}},
	}
}
