package execute_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
)

// marker is what Cloud Run puts in the place of a signature that it has checked.
const marker = "SIGNATURE_REMOVED_BY_GOOGLE"

// stripped is a token as Cloud Run hands it on.
func stripped(token string) string {
	if i := strings.LastIndexByte(token, '.'); strings.Count(token, ".") == 2 {
		return token[:i+1] + marker
	}
	return token
}

// mode is one of the two in which tokens of Google's are checked.
type mode struct {
	name   string
	config execute.OIDCConfig
	comes  func(token string) string // how a token gets to the function
}

var modes = []mode{
	{"verify", execute.OIDCConfig{Mode: "verify", Service: "execute"}, func(token string) string { return token }},
	{"iam", execute.OIDCConfig{Mode: "iam", Service: "execute"}, stripped},
}

// token is one that Google, or somebody else, has made, and what each mode
// answers to it.
type token struct {
	name        string
	token       string
	verify, iam int
}

func (k token) status(m mode) int {
	if m.name == "iam" {
		return k.iam
	}
	return k.verify
}

// tokens is the table of both modes. Where they differ, Cloud Run has refused
// the token before the function sees it in mode iam: of these tokens it could
// tell no more.
func (w *world) tokens() []token {
	w.t.Helper()
	good := w.signed(func(jwt.MapClaims) {})
	parts := strings.Split(good, ".")
	kid, public := w.key()
	own := w.ownKey()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		w.t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	es256 := strings.Split(w.forged(jwt.SigningMethodES256, kid, curve), ".")
	changed := []byte(decoded(w.t, parts[2]))
	changed[0] ^= 1
	const hour = int64(3600)
	now := time.Now().Unix()
	const schedule, trigger = "https://schedule.example", "event-trigger@p.iam.gserviceaccount.com"
	return []token{
		{"the task invoker's", good, 200, 200},
		{"of the issuer without https", w.signed(with("iss", "accounts.google.com")), 200, 200},
		{"signed a little ahead of our clock", w.signed(with("iat", now+60)), 200, 200},

		{"expired", w.signed(func(c jwt.MapClaims) { c["iat"], c["exp"] = now-2*hour, now-hour }), 401, 401},
		{"expired a minute ago", w.signed(with("exp", now-60)), 401, 401},
		{"without an end", w.signed(with("exp", nil)), 401, 401},
		{"with an end in words", w.signed(with("exp", "never")), 401, 401},
		{"not yet valid", w.signed(with("nbf", now+hour)), 401, 401},
		{"issued in the future", w.signed(with("iat", now+hour)), 401, 401},
		{"of another audience", w.signed(with("aud", "https://other.example")), 401, 401},
		{"of the audience with a slash", w.signed(with("aud", functiontest.Audience+"/")), 401, 401},
		{"of no audience", w.signed(with("aud", nil)), 401, 401},
		{"of an empty audience", w.signed(with("aud", "")), 401, 401},
		{"of several audiences", w.signed(with("aud", []string{functiontest.Audience, "https://other.example"})), 401, 401},
		{"of a list of the one audience", w.signed(with("aud", []string{functiontest.Audience})), 401, 401},
		{"of another issuer", w.signed(with("iss", "https://issuer.example")), 401, 401},
		{"of the issuer over http", w.signed(with("iss", "http://accounts.google.com")), 401, 401},
		{"of the issuer with a slash", w.signed(with("iss", "https://accounts.google.com/")), 401, 401},
		{"of an emulator", w.signed(with("iss", w.queue.Issuer)), 401, 401},
		{"of no issuer", w.signed(with("iss", nil)), 401, 401},
		{"of another account", w.signed(with("email", "somebody@p.iam.gserviceaccount.com")), 403, 403},
		{"of the account in capitals", w.signed(with("email", strings.ToUpper(functiontest.Account))), 403, 403},
		{"of no account", w.signed(with("email", nil)), 403, 403},
		{"of an unverified address", w.signed(with("email_verified", false)), 403, 403},
		{"of an address of unknown standing", w.signed(with("email_verified", nil)), 403, 403},
		{"of an address verified in words", w.signed(with("email_verified", "true")), 403, 403},
		{"of the schedule side", w.signed(func(c jwt.MapClaims) { c["aud"], c["email"] = schedule, trigger }), 401, 401},
		{"of the schedule side's account for this side", w.signed(with("email", trigger)), 403, 403},
		{"of the task invoker for the schedule side", w.signed(with("aud", schedule)), 401, 401},

		{"alg none", w.forged(jwt.SigningMethodNone, kid, jwt.UnsafeAllowNoneSignatureType), 401, 401},
		{"HS256 with the public key", w.forged(jwt.SigningMethodHS256, kid, publicPEM), 401, 401},
		{"RS384", w.forged(jwt.SigningMethodRS384, kid, own), 401, 401},
		{"PS256", w.forged(jwt.SigningMethodPS256, kid, own), 401, 401},
		{"ES256", strings.Join(es256, "."), 401, 401},
		{"ES256 with a short signature", es256[0] + "." + es256[1] + ".AQID", 401, 401},
		{"of an unknown key", w.forged(jwt.SigningMethodRS256, "unknown", own), 401, 200},
		{"of a known key's name on another's signature", w.forged(jwt.SigningMethodRS256, kid, own), 401, 200},
		{"with a changed signature", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(changed), 401, 200},
		{"with another's claims under a good signature", parts[0] + "." + strings.Split(w.signed(with("sub", "2")), ".")[1] + "." + parts[2], 401, 200},
		{"with the platform's removal marker", stripped(good), 401, 200},
		{"with an empty signature", parts[0] + "." + parts[1] + ".", 401, 200},
		{"with the marker as claims", parts[0] + "." + marker + "." + parts[2], 401, 401},

		{"without a signature", parts[0] + "." + parts[1], 401, 401},
		{"truncated", good[:len(good)/2], 401, 401},
		{"of four parts", good + ".x", 401, 401},
		{"without a header", "." + parts[1] + "." + parts[2], 401, 401},
		{"with a header that is no JSON", "bm9uZQ." + parts[1] + "." + parts[2], 401, 401},
		{"with claims that are no JSON", parts[0] + ".bm9uZQ." + parts[2], 401, 401},
		{"with claims that are no base64", parts[0] + ".!." + parts[2], 401, 401},
		{"nonsense", "a.b.c", 401, 401},
		{"20 KB, forged", parts[0] + "." + strings.Repeat("A", 20<<10) + "." + parts[2], 401, 401},
		{"20 KB, genuine", w.signed(with("pad", strings.Repeat("a", 20<<10))), 401, 401},
		{"1 MB, forged", parts[0] + "." + strings.Repeat("A", 1<<20-2000) + "." + parts[2], 401, 401},
		{"1 MB, genuine", w.signed(with("pad", strings.Repeat("a", 780_000))), 401, 401},
	}
}

func TestOnlyTheTaskInvokersTokenGetsInInEitherMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			verifier, err := execute.NewVerifierOver(t.Context(), m.config, functiontest.Audience, functiontest.Account, &issuer{keys: w.queue.CertsURL})
			if err != nil {
				t.Fatal(err)
			}
			guarded := w.serve(func(p *execute.Parts) { p.Verifier, p.Store = verifier, untouchable{t} })
			open := w.serve(func(p *execute.Parts) { p.Verifier = verifier })
			var refused []refusal
			for _, k := range tokens {
				sent := bearer(m.comes(k.token))
				switch k.status(m) {
				case 401:
					refused = append(refused, refusal{k.name, sent, 401, "unauthenticated"})
				case 403:
					refused = append(refused, refusal{k.name, sent, 403, "forbidden"})
				default:
					b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
					r := open.request(payload(b, 1))
					if sent(r); open.send(r).Result != "accepted" || w.posts(b) != 1 {
						t.Errorf("the token %s was not taken", k.name)
					}
				}
			}
			good := m.comes(tokens[0].token)
			refused = append(refused, []refusal{
				{"no token", header("Authorization", ""), 401, "unauthenticated"},
				{"an empty token", header("Authorization", "Bearer "), 401, "unauthenticated"},
				{"not bearer", header("Authorization", "Basic "+good), 401, "unauthenticated"},
				{"the token alone", header("Authorization", good), 401, "unauthenticated"},
				{"two Authorization headers", func(r *http.Request) { bearer(good)(r); r.Header.Add("Authorization", "Bearer "+good) }, 401, "unauthenticated"},
				{"an X-Serverless-Authorization besides", func(r *http.Request) { bearer(good)(r); r.Header.Set("X-Serverless-Authorization", "Bearer "+good) }, 401, "unauthenticated"},
				{"an empty X-Serverless-Authorization besides", func(r *http.Request) { bearer(good)(r); r.Header.Set("X-Serverless-Authorization", "") }, 401, "unauthenticated"},
				{"two tokens in one header", header("Authorization", "Bearer "+good+", Bearer "+good), 401, "unauthenticated"},
				{"the token in another header", func(r *http.Request) {
					r.Header.Del("Authorization")
					r.Header.Set("X-Serverless-Authorization", "Bearer "+good)
				}, 401, "unauthenticated"},
			}...)
			checkRefusals(t, guarded, w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)}), refused)
		})
	}
}

// On a service that is open to the public nobody checks and removes signatures:
// whatever stands there, but for the marker, was sent by the caller.
func TestModeIAMWithoutMarker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	verifier, err := execute.NewVerifier(t.Context(), execute.OIDCConfig{Mode: "iam", Service: "execute"}, functiontest.Audience, functiontest.Account)
	if err != nil {
		t.Fatal(err)
	}
	e := w.serve(func(p *execute.Parts) { p.Verifier, p.Store = verifier, untouchable{t} })
	genuine := w.signed(func(jwt.MapClaims) {})
	unsigned := genuine[:strings.LastIndexByte(genuine, '.')+1]
	checkRefusals(t, e, w.Insert(functiontest.Seed{}), []refusal{
		{"genuine", bearer(genuine), 401, "unauthenticated"},
		{"no signature", bearer(unsigned), 401, "unauthenticated"},
		{"a short one", bearer(unsigned + "x"), 401, "unauthenticated"},
		{"the marker and more", bearer(unsigned + marker + "x"), 401, "unauthenticated"},
		{"more and the marker", bearer(unsigned + "x" + marker), 401, "unauthenticated"},
		{"the marker in small letters", bearer(unsigned + strings.ToLower(marker)), 401, "unauthenticated"},
	})
	lines := w.log.Events("request_refused")
	if len(lines) != 6 || !strings.Contains(lines[0]["error"].(string), "FOLLOWUP_OIDC_MODE") {
		t.Errorf("logged %v", lines)
	}
}
