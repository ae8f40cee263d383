package cloudtasks_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"

	"lad.internal/followup/emulators/cloudtasks"
)

func oidc(email, audience string) func(*cloudtaskspb.Task) {
	return push(func(r *cloudtaskspb.HttpRequest) {
		r.AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: email, Audience: audience}}
	})
}

// bearer returns the token of a request.
func (f *fixture) bearer(r received) string {
	f.t.Helper()
	token, ok := strings.CutPrefix(r.header.Get("Authorization"), "Bearer ")
	if !ok {
		f.t.Fatalf("Authorization %q", r.header.Get("Authorization"))
	}
	return token
}

// claims returns the claims of a request's token, unverified.
func (f *fixture) claims(r received) jwt.MapClaims {
	f.t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(f.bearer(r), claims); err != nil {
		f.t.Fatal(err)
	}
	return claims
}

func kid(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "alg", parsed.Method.Alg(), "RS256")
	return parsed.Header["kid"].(string)
}

// fetch gets a URL of the key server and decodes its JSON.
func (f *fixture) fetch(url string, into any) http.Header {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, url, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	equal(f.t, "status of "+url, resp.StatusCode, 200)
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		f.t.Fatal(err)
	}
	return resp.Header
}

// published returns the ids of the keys in the JWKS.
func (f *fixture) published() []string {
	f.t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	f.fetch(f.CertsURL, &set)
	var out []string
	for _, k := range set.Keys {
		out = append(out, k.Kid)
	}
	return out
}

// certs answers every request of a validator with the server's own JWKS.
type certs struct{ url string }

func (c certs) RoundTrip(r *http.Request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	return http.DefaultTransport.RoundTrip(req)
}

func tokenRows() []row {
	return []row{
		{"a task carries an OIDC token", fromProto,
			"token will be generated and attached as an Authorization header in the HTTP request.",
			func(t *testing.T, f *fixture) {
				f.clock.Advance(time.Hour)
				c := f.claims(f.sent(f.task("a", oidc(account, "https://audience.example"))))
				now := float64(start.Add(time.Hour).Unix())
				for claim, want := range map[string]any{
					"iss": f.Issuer, "aud": "https://audience.example", "email": account, "email_verified": true, "iat": now, "exp": now + 3600,
				} {
					equal(t, claim, c[claim], want)
				}
				equal(t, "azp", c["azp"], c["sub"])
				equal(t, "length of sub", len(c["sub"].(string)), 21)
			}},
		{"the audience defaults to the target", fromProto,
			"If not specified, the URI specified in target will be used.",
			func(t *testing.T, f *fixture) {
				equal(t, "aud", f.claims(f.sent(f.task("a", oidc(account, ""))))["aud"], any(f.worker.URL+"/handle"))
			}},
		{"the token replaces the task's own Authorization", fromProto,
			"all Authorization headers in the HttpRequest.headers field are overridden.",
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", oidc(account, ""), push(func(r *cloudtaskspb.HttpRequest) { r.Headers = map[string]string{"authorization": "Basic x"} })))
				equal(t, "values", len(got.header.Values("Authorization")), 1)
				f.bearer(got)
			}},
		{"Google's own validator accepts the token", "google.golang.org/api/idtoken, Validate",
			"Validate is used to validate the provided idToken with a known Google cert URL.",
			func(t *testing.T, f *fixture) {
				f.clock.Advance(time.Since(start)) // the validator goes by the machine's clock
				token := f.bearer(f.sent(f.task("a", oidc(account, "audience"))))
				v, err := idtoken.NewValidator(f.ctx, option.WithHTTPClient(&http.Client{Transport: certs{f.CertsURL}}))
				if err != nil {
					t.Fatal(err)
				}
				p, err := v.Validate(f.ctx, token, "audience")
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "email", p.Claims["email"], any(account))
				if _, err := v.Validate(f.ctx, token, "another"); err == nil {
					t.Error("another audience was accepted")
				}
				head, rest, _ := strings.Cut(token, ".")
				payload, _, _ := strings.Cut(rest, ".")
				forged := head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
				if _, err := v.Validate(f.ctx, forged, "audience"); err == nil {
					t.Error("a forged signature was accepted")
				}
			}},
		{"the keys may be cached", "RFC 9111, section 5.2.2.1, max-age",
			"The max-age response directive indicates that the response is to be considered stale after its age is greater than the specified number of seconds.",
			func(t *testing.T, f *fixture) {
				var set map[string]any
				h := f.fetch(f.CertsURL, &set)
				equal(t, "Cache-Control", h.Get("Cache-Control"), "public, max-age=3600, must-revalidate, no-transform")
			}},
		{"the metadata names issuer and keys", "OpenID Connect Discovery 1.0, section 3",
			"URL of the OP's JWK Set [JWK] document",
			func(t *testing.T, f *fixture) {
				var meta struct {
					Issuer  string `json:"issuer"`
					JWKSURI string `json:"jwks_uri"`
				}
				f.fetch(f.Issuer+cloudtasks.DiscoveryPath, &meta)
				equal(t, "issuer", meta.Issuer, f.Issuer)
				equal(t, "jwks_uri", meta.JWKSURI, f.CertsURL)
			}},
		{"a rotation uses a key that was published before", "OpenID Connect Core 1.0, section 10.1.1, Rotation of Asymmetric Signing Keys",
			"The signer can begin using a new key at any time and signals the change to the verifier using the kid value.",
			func(t *testing.T, f *fixture) {
				before := f.published()
				old, err := f.IDToken(account, "a")
				f.want(codes.OK, err)
				f.want(codes.OK, f.RotateKey())
				fresh, err := f.IDToken(account, "a")
				f.want(codes.OK, err)
				equal(t, "new key is the old one", kid(t, fresh) == kid(t, old), false)
				equal(t, "new key was published", slices.Contains(before, kid(t, fresh)), true)
				equal(t, "old key is published", slices.Contains(f.published(), kid(t, old)), true)
			}},
		{"a retired key outlives its tokens, not more", "OpenID Connect Core 1.0, section 10.1.1, Rotation of Asymmetric Signing Keys",
			"The JWK Set document at the jwks_uri SHOULD retain recently decommissioned signing keys for a reasonable period of time to facilitate a smooth transition.",
			func(t *testing.T, f *fixture) {
				old, err := f.IDToken(account, "a")
				f.want(codes.OK, err)
				f.want(codes.OK, f.RotateKey())
				f.clock.Advance(2*time.Hour - time.Second)
				equal(t, "published", slices.Contains(f.published(), kid(t, old)), true)
				f.clock.Advance(time.Second)
				equal(t, "published", slices.Contains(f.published(), kid(t, old)), false)
			}},
	}
}

func unimplementedRows() []row {
	return []row{
		{"IAM is not imitated", choice,
			"App Engine targets, OAuth tokens, IAM methods, batch methods and CMEK answer UNIMPLEMENTED.",
			func(t *testing.T, f *fixture) {
				_, err := f.client.GetIamPolicy(f.ctx, &iampb.GetIamPolicyRequest{Resource: queue})
				f.want(codes.Unimplemented, err)
				_, err = f.client.SetIamPolicy(f.ctx, &iampb.SetIamPolicyRequest{Resource: queue, Policy: &iampb.Policy{}})
				f.want(codes.Unimplemented, err)
				_, err = f.client.TestIamPermissions(f.ctx, &iampb.TestIamPermissionsRequest{Resource: queue})
				f.want(codes.Unimplemented, err)
				_, err = f.client.GetCmekConfig(f.ctx, &cloudtaskspb.GetCmekConfigRequest{Name: location + "/cmekConfig"})
				f.want(codes.Unimplemented, err)
			}},
		{"App Engine and OAuth are not imitated", choice,
			"App Engine targets, OAuth tokens, IAM methods, batch methods and CMEK answer UNIMPLEMENTED.",
			func(t *testing.T, f *fixture) {
				_, err := f.create(&cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_AppEngineHttpRequest{AppEngineHttpRequest: &cloudtaskspb.AppEngineHttpRequest{}}})
				f.want(codes.Unimplemented, err)
				_, err = f.create(f.task("", push(func(r *cloudtaskspb.HttpRequest) {
					r.AuthorizationHeader = &cloudtaskspb.HttpRequest_OauthToken{OauthToken: &cloudtaskspb.OAuthToken{ServiceAccountEmail: account}}
				})))
				f.want(codes.Unimplemented, err)
			}},
	}
}

func TestSignPutsAGenuineSignatureUnderAnyClaims(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token, err := f.Sign(map[string]any{"aud": "x", "iss": "https://elsewhere.example"})
	f.want(codes.OK, err)
	if !slices.Contains(f.published(), kid(t, token)) {
		t.Error("the token's key is not published")
	}
}
