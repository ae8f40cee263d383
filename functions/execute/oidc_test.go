package execute_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
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

// claims are those of a good token, changed.
func (w *world) claims(change func(jwt.MapClaims)) map[string]any {
	now := time.Now()
	c := jwt.MapClaims{"iss": w.queue.Issuer, "aud": functiontest.Audience, "sub": "1", "email": functiontest.Account,
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

func TestOnlyTheQueuesOwnTokenGetsToTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})

	good := w.queue.Token()
	parts := strings.Split(good, ".")
	kid, public := w.key()
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	es256 := strings.Split(w.forged(jwt.SigningMethodES256, kid, curve), ".")
	signature := []byte(decoded(t, parts[2]))
	signature[0] ^= 1
	hour := int64(3600)
	now := time.Now().Unix()

	bearer := func(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }
	const no = "unauthenticated"
	checkRefusals(t, e, b, []refusal{
		{"no token", header("Authorization", ""), 401, no},
		{"an empty token", header("Authorization", "Bearer "), 401, no},
		{"not bearer", header("Authorization", "Basic "+good), 401, no},
		{"the token alone", header("Authorization", good), 401, no},
		{"two Authorization headers", func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+good) }, 401, no},
		{"expired", bearer(w.signed(func(c jwt.MapClaims) { c["iat"], c["exp"] = now-2*hour, now-hour })), 401, no},
		{"without an end", bearer(w.signed(with("exp", nil))), 401, no},
		{"not yet valid", bearer(w.signed(with("nbf", now+hour))), 401, no},
		{"issued in the future", bearer(w.signed(with("iat", now+hour))), 401, no},
		{"another audience", bearer(w.signed(with("aud", "https://other.example"))), 401, no},
		{"the audience with a path", bearer(w.signed(with("aud", functiontest.Audience+"/"))), 401, no},
		{"no audience", bearer(w.signed(with("aud", nil))), 401, no},
		{"an empty audience", bearer(w.signed(with("aud", ""))), 401, no},
		{"several audiences", bearer(w.signed(with("aud", []string{functiontest.Audience, "https://other.example"}))), 401, no},
		{"another issuer", bearer(w.signed(with("iss", "https://issuer.example"))), 401, no},
		{"Google as issuer, where an emulator is set", bearer(w.signed(with("iss", "https://accounts.google.com"))), 401, no},
		{"no issuer", bearer(w.signed(with("iss", nil))), 401, no},
		{"another account", bearer(w.signed(with("email", "somebody@p.iam.gserviceaccount.com"))), 403, "forbidden"},
		{"the account in capitals", bearer(w.signed(with("email", strings.ToUpper(functiontest.Account)))), 403, "forbidden"},
		{"no account", bearer(w.signed(with("email", nil))), 403, "forbidden"},
		{"an unverified address", bearer(w.signed(with("email_verified", false))), 403, "forbidden"},
		{"an address of unknown standing", bearer(w.signed(with("email_verified", nil))), 403, "forbidden"},
		{"an address verified in words", bearer(w.signed(with("email_verified", "true"))), 403, "forbidden"},
		{"alg none", bearer(w.forged(jwt.SigningMethodNone, kid, jwt.UnsafeAllowNoneSignatureType)), 401, no},
		{"HS256 with the public key", bearer(w.forged(jwt.SigningMethodHS256, kid, publicPEM)), 401, no},
		{"RS384", bearer(w.forged(jwt.SigningMethodRS384, kid, own)), 401, no},
		{"ES256", bearer(strings.Join(es256, ".")), 401, no},
		{"ES256 with a short signature", bearer(es256[0] + "." + es256[1] + ".AQID"), 401, no},
		{"an unknown key", bearer(w.forged(jwt.SigningMethodRS256, "unknown", own)), 401, no},
		{"a known key's name on another's signature", bearer(w.forged(jwt.SigningMethodRS256, kid, own)), 401, no},
		{"a changed signature", bearer(parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature)), 401, no},
		{"another's claims under a good signature", bearer(parts[0] + "." + strings.Split(w.signed(with("sub", "2")), ".")[1] + "." + parts[2]), 401, no},
		{"the platform's removal marker", bearer(parts[0] + "." + parts[1] + ".SIGNATURE_REMOVED_BY_GOOGLE"), 401, no},
		{"no signature", bearer(parts[0] + "." + parts[1]), 401, no},
		{"an empty signature", bearer(parts[0] + "." + parts[1] + "."), 401, no},
		{"truncated", bearer(good[:len(good)/2]), 401, no},
		{"four parts", bearer(good + ".x"), 401, no},
		{"no header", bearer("." + parts[1] + "." + parts[2]), 401, no},
		{"a header that is no JSON", bearer("bm9uZQ." + parts[1] + "." + parts[2]), 401, no},
		{"huge", bearer(parts[0] + "." + strings.Repeat("A", 20<<10) + "." + parts[2]), 401, no},
		{"huge, and genuine", bearer(w.signed(with("pad", strings.Repeat("a", 20<<10)))), 401, no},
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

func TestBehindCloudRunTheClaimsAreCheckedWithoutASignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	verifier, err := execute.NewVerifier(t.Context(), execute.OIDCConfig{Mode: "iam", Service: "execute"}, functiontest.Audience, functiontest.Account)
	if err != nil {
		t.Fatal(err)
	}
	e := w.serve(func(p *execute.Parts) { p.Verifier = verifier })
	token := func(change func(jwt.MapClaims)) string {
		parts := strings.Split(w.signed(func(c jwt.MapClaims) {
			c["iss"] = "https://accounts.google.com"
			change(c)
		}), ".")
		return parts[0] + "." + parts[1] + ".SIGNATURE_REMOVED_BY_GOOGLE"
	}
	now := time.Now().Unix()
	for _, tc := range []struct {
		name   string
		token  string
		status int
	}{
		{"the task invoker's", token(func(jwt.MapClaims) {}), 200},
		{"with the issuer's short name", token(with("iss", "accounts.google.com")), 200},
		{"another account's", token(with("email", "other@p.iam.gserviceaccount.com")), 403},
		{"an unverified one", token(with("email_verified", false)), 403},
		{"another audience's", token(with("aud", "https://other.example")), 401},
		{"of several audiences", token(with("aud", []string{functiontest.Audience})), 401},
		{"another issuer's", token(with("iss", w.queue.Issuer)), 401},
		{"expired", token(with("exp", now-60)), 401},
		{"without an end", token(with("exp", nil)), 401},
		{"not yet valid", token(with("nbf", now+3600)), 401},
		{"alg none", w.forged(jwt.SigningMethodNone, "k", jwt.UnsafeAllowNoneSignatureType), 401},
		{"nonsense", "a.b.c", 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			r := e.request(payload(b, 1))
			r.Header.Set("Authorization", "Bearer "+tc.token)
			if got := e.send(r); got.status != tc.status || w.posts(b) != map[bool]int{true: 1}[tc.status == 200] {
				t.Errorf("answered %s, want %d", got, tc.status)
			}
		})
	}
}

func TestAVerifierForNobodyIsRefused(t *testing.T) {
	t.Parallel()
	for _, who := range [][2]string{{"", functiontest.Account}, {functiontest.Audience, ""}} {
		if _, err := execute.NewVerifier(context.Background(), execute.OIDCConfig{Mode: "verify"}, who[0], who[1]); err == nil {
			t.Errorf("a verifier for audience %q and account %q was made", who[0], who[1])
		}
	}
}
