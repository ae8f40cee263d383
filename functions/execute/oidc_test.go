package execute_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
)

// claims are those of a good token of Google's, changed.
func (w *world) claims(change func(jwt.MapClaims)) map[string]any {
	now := time.Now()
	c := jwt.MapClaims{"iss": "https://accounts.google.com", "aud": functiontest.Audience, "sub": "1", "email": functiontest.Account,
		"email_verified": true, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	change(c)
	return c
}

func (w *world) signed(change func(jwt.MapClaims)) string {
	w.t.Helper()
	token, err := w.queue.Sign(w.claims(change))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// with sets a claim, or with nil deletes it.
func with(name string, value any) func(jwt.MapClaims) {
	return func(c jwt.MapClaims) {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
}

// key is the public key that signs, and its id, as the queue publishes it.
func (w *world) key() (string, *rsa.PublicKey) {
	w.t.Helper()
	resp, err := client.Get(w.queue.CertsURL)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var set struct {
		Keys []struct{ Kid, N, E string }
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(raw, &set) != nil {
		w.t.Fatalf("read keys: %v: %s", err, raw)
	}
	headerText, _, _ := strings.Cut(w.queue.Token(), ".")
	for _, k := range set.Keys {
		if !strings.Contains(decoded(w.t, headerText), k.Kid) {
			continue
		}
		n, e := []byte(decoded(w.t, k.N)), []byte(decoded(w.t, k.E))
		return k.Kid, &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	w.t.Fatal("the key that signs is not published")
	return "", nil
}

func decoded(t *testing.T, s string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// forged is a token with good claims that somebody else has signed.
func (w *world) forged(method jwt.SigningMethod, kid string, key any) string {
	w.t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(w.claims(func(jwt.MapClaims) {})))
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// ownKey is a key that nobody knows.
func (w *world) ownKey() *rsa.PrivateKey {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// bearer sends a token.
func bearer(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }

func TestAnEmulatorsTokensAreThoseOfItsIssuerAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	checkRefusals(t, e, w.Insert(functiontest.Seed{}), []refusal{
		{"Google's issuer", bearer(w.signed(with("iss", "https://accounts.google.com"))), 401, "unauthenticated"},
		{"Google's short issuer", bearer(w.signed(with("iss", "accounts.google.com"))), 401, "unauthenticated"},
		{"the issuer with a path", bearer(w.signed(with("iss", w.queue.Issuer+"/"))), 401, "unauthenticated"},
	})
}

func TestATokenOfTheQueuesNextKeyIsTakenAndTheOldOneStillIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	old := w.queue.Token()
	send := func(what, token string) {
		b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
		r := e.request(payload(b, 1))
		r.Header.Set("Authorization", "Bearer "+token)
		if got := e.send(r); got.Result != "accepted" {
			t.Errorf("%s got %s", what, got)
		}
	}
	send("the first token", old) // the keys are cached from here on
	if err := w.queue.RotateKey(); err != nil {
		t.Fatal(err)
	}
	send("a token of the next key", w.queue.Token())
	send("a token signed before the rotation", old)
}

func TestAVerifierForNobodyOrThatWouldBeUnsafeIsRefused(t *testing.T) {
	t.Parallel()
	const aud, account, issuer, certs = functiontest.Audience, functiontest.Account, "https://issuer.example", "https://issuer.example/certs"
	for name, tc := range map[string]struct {
		config            execute.OIDCConfig
		audience, account string
	}{
		"no audience, verify":                    {execute.OIDCConfig{Mode: "verify"}, "", account},
		"no audience, iam":                       {execute.OIDCConfig{Mode: "iam", Service: "execute"}, "", account},
		"no account, verify":                     {execute.OIDCConfig{Mode: "verify"}, aud, ""},
		"no account, iam":                        {execute.OIDCConfig{Mode: "iam", Service: "execute"}, aud, ""},
		"no mode":                                {execute.OIDCConfig{}, aud, account},
		"iam outside Cloud Run":                  {execute.OIDCConfig{Mode: "iam"}, aud, account},
		"an issuer on Cloud Run":                 {execute.OIDCConfig{Mode: "verify", Service: "execute", Issuer: issuer, CertsURL: certs}, aud, account},
		"an issuer on Cloud Run, iam":            {execute.OIDCConfig{Mode: "iam", Service: "execute", Issuer: issuer, CertsURL: certs}, aud, account},
		"keys alone on Cloud Run":                {execute.OIDCConfig{Mode: "verify", Service: "execute", CertsURL: certs}, aud, account},
		"keys alone":                             {execute.OIDCConfig{Mode: "verify", CertsURL: certs}, aud, account},
		"an issuer alone":                        {execute.OIDCConfig{Mode: "verify", Issuer: issuer}, aud, account},
		"an issuer with iam, which is of no use": {execute.OIDCConfig{Mode: "iam", Issuer: issuer, CertsURL: certs}, aud, account},
	} {
		if _, err := execute.NewVerifier(t.Context(), tc.config, tc.audience, tc.account); err == nil {
			t.Errorf("%s: a verifier was made", name)
		}
	}
}
