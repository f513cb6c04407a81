package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuer  = "tokens of the test"
	service = "registry of the test"
	user    = "ci"
	secret  = "a-secret-that-no-log-may-have"
)

// tokens is a token server for one user, who may do everything. Nobody else may do anything.
type tokens struct{ key *ecdsa.PrivateKey }

func newTokens(t *testing.T) *tokens {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &tokens{key}
}

// parameters has the registry ask for tokens of this server, which is at realm.
func (s *tokens) parameters(t *testing.T, realm string) configuration.Auth {
	t.Helper()
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: "test", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	return configuration.Auth{"token": {"realm": realm, "issuer": issuer, "service": service, "jwks": file}}
}

// ServeHTTP gives the user a token for the scopes that are asked for.
func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, password, ok := r.BasicAuth(); !ok || name != user || password != secret {
		w.Header().Set("WWW-Authenticate", `Basic realm="tokens"`)
		http.Error(w, "who is there?", http.StatusUnauthorized)
		return
	}
	signed, err := s.sign(r.URL.Query()["scope"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"token":%q,"access_token":%q,"expires_in":300}`, signed, signed)
}

// sign makes a token for scopes of the form type:name:action,action.
func (s *tokens) sign(scopes []string) (string, error) {
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: issuer, Subject: user, Audience: token.AudienceList{service}, JWTID: rand.Text(),
		Expiration: now.Add(5 * time.Minute).Unix(), NotBefore: now.Unix(), IssuedAt: now.Unix(),
	}
	for _, scope := range scopes {
		for one := range strings.FieldsSeq(scope) {
			parts := strings.Split(one, ":")
			if len(parts) != 3 {
				return "", fmt.Errorf("no scope: %q", one)
			}
			claims.Access = append(claims.Access, &token.ResourceActions{Type: parts[0], Name: parts[1], Actions: strings.Split(parts[2], ",")})
		}
	}
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: "test"}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// dockerConfig is the directory of a config.json, as docker login writes one, with the user's credentials for a registry.
func dockerConfig(t *testing.T, addr string) string {
	t.Helper()
	dir := t.TempDir()
	credentials := base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
	text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, addr, credentials)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
