package cloudtasks

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// checkHTTPTarget checks a queue's overrides, by the comments of HttpTarget and UriOverride.
func checkHTTPTarget(t *cloudtaskspb.HttpTarget) error {
	if t.GetOauthToken() != nil {
		return status.Error(codes.Unimplemented, "queue.http_target.oauth_token: this local server signs OIDC tokens only")
	}
	if o := t.GetOidcToken(); o != nil && (o.GetServiceAccountEmail() == "" || o.GetAudience() == "") {
		return status.Error(codes.InvalidArgument, "queue.http_target.oidc_token needs both service_account_email and audience")
	}
	u := t.GetUriOverride()
	if u == nil {
		return nil
	}
	if u.Host != nil && u.GetHost() == "" {
		return status.Error(codes.InvalidArgument, "queue.http_target.uri_override.host is empty")
	}
	if p := u.GetPort(); p < 0 || p > 65535 {
		return status.Errorf(codes.InvalidArgument, "queue.http_target.uri_override.port %d is not a port", p)
	}
	return nil
}

// overridden returns the request that is pushed for req from a queue with the overrides t. The result
// shares nothing with req.
func overridden(req *cloudtaskspb.HttpRequest, t *cloudtaskspb.HttpTarget) (*cloudtaskspb.HttpRequest, error) {
	out := proto.CloneOf(req)
	if t == nil {
		return out, nil
	}
	target, err := overrideURL(out.GetUrl(), t.GetUriOverride())
	if err != nil {
		return nil, err
	}
	out.Url = target
	if m := t.GetHttpMethod(); m != cloudtaskspb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
		out.HttpMethod = m
	}
	if !takesBody(out.GetHttpMethod()) {
		out.Body = nil // "the [HttpRequest][body] of the task will be ignored at execution time"
	}
	for _, o := range t.GetHeaderOverrides() {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		for name := range out.Headers {
			if strings.EqualFold(name, o.GetHeader().GetKey()) {
				delete(out.Headers, name)
			}
		}
		out.Headers[o.GetHeader().GetKey()] = o.GetHeader().GetValue()
	}
	if o := t.GetOidcToken(); o != nil {
		out.AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: proto.CloneOf(o)}
	}
	return out, nil
}

// overrideURL applies the parts of o that are set. In the mode IF_NOT_EXISTS a part that the task's
// own URL has stays; a task's URL always has a scheme and a host.
func overrideURL(raw string, o *cloudtaskspb.UriOverride) (string, error) {
	if o == nil {
		return raw, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	always := o.GetUriOverrideEnforceMode() != cloudtaskspb.UriOverride_IF_NOT_EXISTS
	host, port := u.Hostname(), u.Port()
	if o.Scheme != nil && always {
		u.Scheme = "https" // also for SCHEME_UNSPECIFIED: "Defaults to HTTPS"
		if o.GetScheme() == cloudtaskspb.UriOverride_HTTP {
			u.Scheme = "http"
		}
	}
	if o.Host != nil && always {
		host = o.GetHost()
	}
	if o.Port != nil && (always || port == "") {
		port = strconv.FormatInt(o.GetPort(), 10)
		if port == "0" {
			port = "" // "Setting the port to 0 (Zero) clears the URI port"
		}
	}
	if o.PathOverride != nil && (always || u.Path == "") {
		u.Path, u.RawPath = o.GetPathOverride().GetPath(), ""
	}
	if o.QueryOverride != nil && (always || u.RawQuery == "") {
		u.RawQuery = o.GetQueryOverride().GetQueryParams()
	}
	u.Host = host
	if port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	return u.String(), nil
}

// takesBody reports whether a task with this method may have a body (HttpRequest.body).
func takesBody(m cloudtaskspb.HttpMethod) bool {
	switch m {
	case cloudtaskspb.HttpMethod_POST, cloudtaskspb.HttpMethod_PUT, cloudtaskspb.HttpMethod_PATCH:
		return true
	default:
		return false
	}
}
