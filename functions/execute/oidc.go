package execute

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"

	"lad.internal/followup/internal/settings"
)

// OIDCConfig says how the token of a task is checked.
type OIDCConfig struct {
	// Mode is "verify": this function checks the signature itself; or "iam":
	// Cloud Run has checked it, and has replaced it by a marker, so that only
	// the claims are left to check. Anybody can write the marker: this mode
	// depends on the service being private.
	Mode string `env:"FOLLOWUP_OIDC_MODE, default=verify"`
	// Issuer and CertsURL stand in for Google's, for emulators.
	Issuer   string `env:"FOLLOWUP_OIDC_ISSUER"`
	CertsURL string `env:"FOLLOWUP_OIDC_CERTS_URL"`
	// Service is set by Cloud Run (container runtime contract).
	Service string `env:"K_SERVICE"`
}

const (
	modeVerify = "verify"
	modeIAM    = "iam"
)

// Validate reports every setting that is wrong or would be unsafe.
func (c OIDCConfig) Validate() error {
	var problems settings.Problems
	problems.Unless(c.Mode == modeVerify || c.Mode == modeIAM,
		"FOLLOWUP_OIDC_MODE", "is not valid: set it to verify or, for a private Cloud Run service, to iam")
	problems.Unless(c.Mode != modeIAM || c.Service != "",
		"FOLLOWUP_OIDC_MODE", "is iam outside Cloud Run, where nobody has checked the token: set it to verify")
	problems.Unless((c.Issuer == "") == (c.CertsURL == ""),
		"FOLLOWUP_OIDC_ISSUER", "and FOLLOWUP_OIDC_CERTS_URL go together: set both for an emulator, neither for Google")
	problems.Unless(c.Issuer == "" || c.Service == "",
		"FOLLOWUP_OIDC_ISSUER", "is set on Cloud Run, where only Google may issue the token: unset it and FOLLOWUP_OIDC_CERTS_URL")
	problems.Unless(c.Issuer == "" || c.Mode == modeVerify,
		"FOLLOWUP_OIDC_ISSUER", "needs FOLLOWUP_OIDC_MODE=verify: nobody else checks an emulator's tokens")
	if c.CertsURL != "" {
		u, err := url.Parse(c.CertsURL)
		problems.Unless(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"),
			"FOLLOWUP_OIDC_CERTS_URL", "is not a URL: set it to where the emulator publishes its keys (JWKS)")
	}
	return problems.Err()
}

// errForbidden: the token is valid and somebody else's.
var errForbidden = errors.New("the token is not the task invoker's")

// clockSkew is how far apart the clocks of issuer and function may be.
const clockSkew = 5 * time.Minute

// caller is what a token must say of its bearer.
type caller struct {
	audience string
	email    string
	issuers  []string
}

// check looks at what idtoken.Validate leaves to its callers (its doc comment):
// issuer, account, and the times in the future.
func (c caller) check(p *idtoken.Payload, now time.Time) error {
	if p.Audience != c.audience || c.audience == "" {
		return errors.New("the token is for another audience")
	}
	if !slices.Contains(c.issuers, p.Issuer) {
		return errors.New("the token is of another issuer")
	}
	if notBefore, ok := p.Claims["nbf"].(float64); ok && now.Add(clockSkew).Unix() < int64(notBefore) {
		return errors.New("the token is not valid yet")
	}
	if now.Add(clockSkew).Unix() < p.IssuedAt {
		return errors.New("the token was issued in the future")
	}
	if now.Unix() > p.Expires {
		return errors.New("the token has expired")
	}
	email, _ := p.Claims["email"].(string)
	if verified, ok := p.Claims["email_verified"].(bool); !ok || !verified || email != c.email {
		return errForbidden
	}
	return nil
}

// NewVerifier prepares the check of tokens for this audience, of this account.
func NewVerifier(ctx context.Context, c OIDCConfig, audience, account string) (Verifier, error) {
	return newVerifier(ctx, c, audience, account, http.DefaultTransport)
}

// newVerifier fetches the issuer's certificates over transport.
func newVerifier(ctx context.Context, c OIDCConfig, audience, account string, transport http.RoundTripper) (Verifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if audience == "" || account == "" {
		return nil, errors.New("verify tokens: an audience and an account are needed")
	}
	who := caller{audience: audience, email: account, issuers: []string{"https://accounts.google.com", "accounts.google.com"}}
	if c.Issuer != "" {
		who.issuers = []string{c.Issuer}
	}
	if c.Mode == modeIAM {
		return claimsVerifier{caller: who, now: time.Now}, nil
	}
	certs := &certificates{transport: transport, timeout: certificatesTimeout}
	if c.CertsURL != "" {
		target, err := url.Parse(c.CertsURL)
		if err != nil {
			return nil, fmt.Errorf("read FOLLOWUP_OIDC_CERTS_URL: %w", err)
		}
		certs.target = target
	}
	// One validator for all requests: it keeps the certificates for as long as
	// their issuer says, and asks for them again when they are over, but not for a
	// key that it does not know.
	v, err := idtoken.NewValidator(ctx, option.WithHTTPClient(&http.Client{Transport: certs}))
	if err != nil {
		return nil, fmt.Errorf("prepare token validator: %w", err)
	}
	return signatureVerifier{caller: who, validator: v, now: time.Now}, nil
}

// signatureVerifier checks signature and claims.
type signatureVerifier struct {
	caller
	validator *idtoken.Validator
	now       func() time.Time
}

func (v signatureVerifier) Verify(ctx context.Context, token string) error {
	// Google signs the tokens of service accounts with RS256 and nothing else.
	// The validator would also take ES256, and panics on a short signature.
	if err := wantRS256(token); err != nil {
		return err
	}
	p, err := v.validator.Validate(ctx, token, v.audience)
	if err != nil {
		return fmt.Errorf("validate token: %w", err)
	}
	return v.check(p, v.now())
}

// claimsVerifier checks the claims of a token whose signature Cloud Run has
// checked and removed.
type claimsVerifier struct {
	caller
	now func() time.Time
}

// removedSignature is what Cloud Run puts in the place of a signature that it has
// checked (cloud.google.com/run/docs/troubleshooting).
const removedSignature = "SIGNATURE_REMOVED_BY_GOOGLE"

// Verify refuses a token without the marker. A service that needs no IAM permission
// gets tokens as they were sent, and nobody has checked them: there even the task
// invoker is refused, which is noticed at the first call.
func (v claimsVerifier) Verify(_ context.Context, token string) error {
	if err := wantRS256(token); err != nil {
		return err
	}
	if !strings.HasSuffix(token, "."+removedSignature) {
		return errors.New("the token's signature has not been removed, so Cloud Run has not checked it: " +
			"make the service private, or set FOLLOWUP_OIDC_MODE to verify")
	}
	p, err := idtoken.ParsePayload(token)
	if err != nil {
		return fmt.Errorf("parse token: %w", err)
	}
	return v.check(p, v.now())
}

func wantRS256(token string) error {
	header, rest, ok := strings.Cut(token, ".")
	if !ok || strings.Count(rest, ".") != 1 {
		return errors.New("not a signed JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return errors.New("the token's header is not base64url")
	}
	var h struct {
		Algorithm string `json:"alg"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return errors.New("the token's header is not JSON")
	}
	if h.Algorithm != "RS256" {
		return errors.New("the token is not signed with RS256")
	}
	return nil
}
