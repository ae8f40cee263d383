package tenantdb_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The environment is what Cloud Run's is, and so cannot be shared with parallel
// tests.
func TestCloudSQLIsEnteredByIAMAndAsksForACertificateOnlyWhenItConnects(t *testing.T) {
	f := tenantdbtest.New(t)
	ref := f.Insert(t, tenantdbtest.Row{})
	dsn, err := url.Parse(f.Config.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		private bool
		address string
	}{{true, "10.0.0.1:3307"}, {false, "203.0.113.1:3307"}} {
		fake := newCloudSQLFake(t, dsn.Host)
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, fake.api.URL+"/token"))
		// Cloud SQL takes the certificate's token for a password; this PostgreSQL cannot.
		t.Setenv("PGPASSWORD", tenantdbtest.Password)
		config := f.Config
		config.URL, config.Instance, config.User, config.Database = settings.Secret{}, "p:r:i", "followup_app", dsn.Path[1:]
		config.PrivateIP, config.MaxConns = c.private, 1
		db, err := tenantdb.OpenWith(t.Context(), config, fake.options()...)
		if err != nil {
			t.Fatal(err)
		}
		for connections := range 3 {
			if n := fake.issued(); n != connections {
				t.Errorf("%d certificates for %d connections", n, connections)
			}
			for range 2 { // the second time over the same connection
				if !known(t, db, ref) {
					t.Error("the booking is not found")
				}
			}
			db.Pool().Reset()
		}
		if slices.ContainsFunc(fake.dialed, func(a string) bool { return a != c.address }) || len(fake.dialed) != 3 {
			t.Errorf("private %v: dialled %v", c.private, fake.dialed)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCloudSQLWithoutCredentialsIsRefusedAtOnce(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "missing.json"))
	config := valid()
	cloudSQL("p:r:i", "sa@p.iam", "lad")(&config)
	if db, err := tenantdb.Open(t.Context(), config); err == nil {
		t.Error("opened all the same", db.Close())
	}
}

// serviceAccount is a key file whose tokens come from the URL.
func serviceAccount(t *testing.T, tokenURL string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "sa@p.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
