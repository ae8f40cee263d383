package voiceagent

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The environment belongs to the process, so these two tests are not parallel.

func TestIDTokenSource(t *testing.T) {
	const audience = "https://voice.example.com"
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": "https://accounts.google.com", "aud": audience, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	fetches := 0
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches++
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(r.FormValue("assertion"), claims); err != nil || claims["target_audience"] != audience {
			t.Errorf("asked for %v, %v", claims, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id_token": idToken})
	}))
	t.Cleanup(google.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // oauth2's
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", writeServiceAccount(t, key, google.URL))

	seen, url := record(t)
	config := testConfig(url)
	config.Audience = audience
	c, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if fetches != 1 {
		t.Errorf("%d tokens were fetched at start, want 1", fetches)
	}
	for range 2 {
		start(t, t.Context(), c, testCall())
		if got := seen.header.Get("Authorization"); got != "Bearer "+idToken {
			t.Errorf("Authorization: %q", got)
		}
	}
	if fetches != 1 {
		t.Errorf("%d tokens were fetched for two calls, want the first one kept", fetches)
	}
}

func writeServiceAccount(t *testing.T, key *rsa.PrivateKey, tokenURL string) string {
	t.Helper()
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "followup@example.iam.gserviceaccount.com", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestIDTokenWithoutServiceAccount(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "absent.json"))
	config := testConfig("https://voice.example.com")
	config.Audience = "https://voice.example.com"
	_, err := New(t.Context(), config)
	if err == nil || !strings.Contains(err.Error(), "VOICE_AGENT_AUDIENCE is set, but no ID token can be made for it") {
		t.Errorf("got %v", err)
	}
}
