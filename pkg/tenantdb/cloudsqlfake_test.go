package tenantdb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudsqlconn"
)

// cloudSQLFake is a Cloud SQL instance p:r:i: the Admin API, Google's token
// endpoint, and the TLS proxy before a PostgreSQL that lets nobody in without a
// certificate that the API has issued.
type cloudSQLFake struct {
	t        *testing.T
	api      *httptest.Server
	proxy    net.Listener
	postgres string // host:port
	ca       authority
	serving  sync.WaitGroup

	mu     sync.Mutex
	certs  int      // issued
	dialed []string // addresses that the connector asked for
}

// Tokens name the scope that they were asked for.
const (
	adminToken = "https://www.googleapis.com/auth/sqlservice.admin"
	loginToken = "https://www.googleapis.com/auth/sqlservice.login"
)

func newCloudSQLFake(t *testing.T, postgres string) *cloudSQLFake {
	t.Helper()
	f := &cloudSQLFake{t: t, postgres: postgres, ca: newAuthority(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("GET /sql/v1beta4/projects/p/instances/i/connectSettings", f.connectSettings)
	mux.HandleFunc("POST /sql/v1beta4/projects/p/instances/i:generateEphemeralCert", f.issue)
	f.api = httptest.NewServer(mux)
	t.Cleanup(f.api.Close)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(f.ca.cert)
	f.proxy, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  clients,
		// The name is what the connector checks (cloudsqlconn, GOOGLE_MANAGED_INTERNAL_CA).
		Certificates: []tls.Certificate{{Certificate: [][]byte{f.ca.sign(t, "p:i", &key.PublicKey, time.Hour)}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.serving.Go(f.serve)
	t.Cleanup(func() {
		_ = f.proxy.Close() // ends serve
		f.serving.Wait()
	})
	return f
}

// options point the connector here. Nothing else differs from production.
func (f *cloudSQLFake) options() []cloudsqlconn.Option {
	return []cloudsqlconn.Option{
		cloudsqlconn.WithAdminAPIEndpoint(f.api.URL),
		cloudsqlconn.WithDialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			f.mu.Lock()
			f.dialed = append(f.dialed, address)
			f.mu.Unlock()
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, f.proxy.Addr().String())
		}),
	}
}

func (f *cloudSQLFake) issued() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.certs
}

// token grants what the assertion asks for (RFC 7523).
func (f *cloudSQLFake) token(w http.ResponseWriter, r *http.Request) {
	var claims struct {
		Scope string `json:"scope"`
	}
	if parts := strings.Split(r.FormValue("assertion"), "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(payload, &claims) != nil {
			http.Error(w, "no assertion", http.StatusBadRequest)
			return
		}
	}
	f.answer(w, map[string]any{"access_token": claims.Scope, "token_type": "Bearer", "expires_in": 3600})
}

func (f *cloudSQLFake) connectSettings(w http.ResponseWriter, r *http.Request) {
	if !f.authorized(w, r) {
		return
	}
	f.answer(w, map[string]any{
		"backendType": "SECOND_GEN", "databaseVersion": "POSTGRES_15", "region": "r",
		"ipAddresses":  []map[string]string{{"type": "PRIMARY", "ipAddress": "203.0.113.1"}, {"type": "PRIVATE", "ipAddress": "10.0.0.1"}},
		"serverCaCert": map[string]string{"cert": encodePEM(f.ca.cert.Raw)},
	})
}

// issue issues a certificate that is nearly over, so that each connection needs
// a new one.
func (f *cloudSQLFake) issue(w http.ResponseWriter, r *http.Request) {
	if !f.authorized(w, r) {
		return
	}
	var request struct {
		PublicKey   string `json:"public_key"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.AccessToken != loginToken {
		f.t.Errorf("a certificate is asked for with token %q, error %v", request.AccessToken, err)
	}
	block, _ := pem.Decode([]byte(request.PublicKey))
	if block == nil {
		http.Error(w, "no public key", http.StatusBadRequest)
		return
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.certs++
	f.mu.Unlock()
	f.answer(w, map[string]any{"ephemeralCert": map[string]string{"cert": encodePEM(f.ca.sign(f.t, "client", key, time.Minute))}})
}

func (f *cloudSQLFake) authorized(w http.ResponseWriter, r *http.Request) bool {
	ok := r.Header.Get("Authorization") == "Bearer "+adminToken
	if !ok {
		f.t.Errorf("%s with Authorization %q", r.URL, r.Header.Get("Authorization"))
		http.Error(w, "forbidden", http.StatusForbidden)
	}
	return ok
}

func (f *cloudSQLFake) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

// serve passes each connection on to PostgreSQL.
func (f *cloudSQLFake) serve() {
	for {
		client, err := f.proxy.Accept()
		if err != nil {
			return
		}
		f.serving.Go(func() {
			defer func() { _ = client.Close() }() // both ends are done with it
			server, err := net.Dial("tcp", f.postgres)
			if err != nil {
				f.t.Error(err)
				return
			}
			f.serving.Go(func() {
				_, _ = io.Copy(client, server) // until either end closes
				_ = client.Close()
			})
			_, _ = io.Copy(server, client)
			_ = server.Close()
		})
	}
}

// authority signs the server's and the clients' certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Cloud SQL"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert: cert, key: key}
}

func (a authority) sign(t *testing.T, name string, key any, valid time.Duration) []byte {
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, key, a.key)
	if err != nil {
		t.Error(err)
	}
	return raw
}

func encodePEM(certificate []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}
