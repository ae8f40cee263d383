package cloudtasks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is how long an ID token is valid: one hour, as Google's are.
const tokenLife = time.Hour

// signingKey is one RSA key under the id that names it in token headers and in the JWKS.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// retiredKey is the public half of a key that no longer signs.
type retiredKey struct {
	id     string
	public *rsa.PublicKey
	until  time.Time // published up to here
}

// keyRing holds the keys. The key that signs next is published along with the one that signs now, as
// Google does, so that a verifier which caches the JWKS survives a rotation. Keys are made when they are
// first needed: most tests never are in need of one.
type keyRing struct {
	clock   Clock
	overlap time.Duration

	mu      sync.Mutex
	supply  []*rsa.PrivateKey // used up before new ones are generated
	current *signingKey
	next    *signingKey
	retired []retiredKey
}

func (r *keyRing) generate() (*signingKey, error) {
	var private *rsa.PrivateKey
	if len(r.supply) > 0 {
		private, r.supply = r.supply[0], r.supply[1:]
	} else {
		var err error
		if private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("generate signing key: %w", err)
		}
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	return &signingKey{id: hex.EncodeToString(sum[:20]), private: private}, nil
}

// fill makes the keys that are still missing. r.mu is held.
func (r *keyRing) fill() error {
	for _, slot := range []**signingKey{&r.current, &r.next} {
		if *slot != nil {
			continue
		}
		key, err := r.generate()
		if err != nil {
			return err
		}
		*slot = key
	}
	return nil
}

// rotate lets the next key sign and retires the current one.
func (r *keyRing) rotate() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fill(); err != nil {
		return err
	}
	old := retiredKey{id: r.current.id, public: &r.current.private.PublicKey, until: r.clock.Now().Add(r.overlap)}
	r.retired = append(r.retired, old)
	r.current, r.next = r.next, nil
	return r.fill()
}

func (r *keyRing) signer() (*signingKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fill(); err != nil {
		return nil, err
	}
	return r.current, nil
}

// published returns the public keys by id: the current, the next, and the retired ones that are still
// in their overlap.
func (r *keyRing) published() (map[string]*rsa.PublicKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fill(); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{
		r.current.id: &r.current.private.PublicKey,
		r.next.id:    &r.next.private.PublicKey,
	}
	now := r.clock.Now()
	for _, k := range r.retired {
		if k.until.After(now) {
			keys[k.id] = k.public
		}
	}
	return keys, nil
}

// RotateKey makes the next key, which the JWKS has been showing all along, the one that signs. The old
// key's public half stays published for Options.KeyOverlap.
func (s *Server) RotateKey() error { return s.keys.rotate() }

// Sign returns a JWT over claims, signed RS256 with the current key: for tests that need a genuine
// signature under unusual claims.
func (s *Server) Sign(claims map[string]any) (string, error) {
	key, err := s.keys.signer()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	token.Header["kid"] = key.id
	signed, err := token.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// IDToken returns the token that a task with this service account and audience is sent with.
func (s *Server) IDToken(serviceAccount, audience string) (string, error) {
	now := s.clock.Now()
	id := accountID(serviceAccount)
	return s.Sign(map[string]any{
		"iss":            s.issuer,
		"aud":            audience,
		"azp":            id,
		"sub":            id,
		"email":          serviceAccount,
		"email_verified": true,
		"iat":            now.Unix(),
		"exp":            now.Add(tokenLife).Unix(),
	})
}

// accountID stands for the numeric id that a service account has besides its email: 21 digits.
func accountID(email string) string {
	sum := sha256.Sum256([]byte(email))
	return "1" + fmt.Sprintf("%020s", strconv.FormatUint(binary.BigEndian.Uint64(sum[:]), 10))
}
