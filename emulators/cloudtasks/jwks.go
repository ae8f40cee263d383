package cloudtasks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// Paths of the handler that JWKSHandler returns.
const (
	// CertsPath serves the JSON Web Key Set (RFC 7517).
	CertsPath = "/oauth2/v3/certs"
	// DiscoveryPath serves the provider's metadata (OpenID Connect Discovery 1.0, section 4).
	DiscoveryPath = "/.well-known/openid-configuration"
)

type jwk struct {
	Kty string `json:"kty"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	N   string `json:"n"`
	E   string `json:"e"`
}

// JWKSHandler serves the public keys at CertsPath and the provider's metadata at DiscoveryPath, both
// with "Cache-Control: public, max-age" of Options.KeyMaxAge: without it verifiers cache nothing.
func (s *Server) JWKSHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+CertsPath, s.serveCerts)
	mux.HandleFunc("GET "+DiscoveryPath, s.serveDiscovery)
	return mux
}

func (s *Server) serveCerts(w http.ResponseWriter, _ *http.Request) {
	published, err := s.keys.published()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	set := make([]jwk, 0, len(published))
	for id, key := range published {
		set = append(set, jwk{
			Kty: "RSA", Alg: "RS256", Use: "sig", Kid: id,
			N: base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	slices.SortFunc(set, func(a, b jwk) int { return strings.Compare(a.Kid, b.Kid) })
	s.serveCached(w, map[string]any{"keys": set})
}

func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	s.serveCached(w, map[string]any{
		"issuer":                                s.issuer,
		"jwks_uri":                              "http://" + r.Host + CertsPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"aud", "azp", "email", "email_verified", "exp", "iat", "iss", "sub"},
	})
}

func (s *Server) serveCached(w http.ResponseWriter, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d, must-revalidate, no-transform", int(s.keyMaxAge.Seconds())))
	_, _ = w.Write(b) // the reader may be gone; there is nobody else to tell
}
