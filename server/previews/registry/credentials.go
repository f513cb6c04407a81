package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// maxCredentials is how long a file of credentials may be, in bytes: the most that a Secret of Kubernetes has.
const maxCredentials = 1 << 20

// configFile is what is read of a Docker config.json.
type configFile struct {
	Auths       map[string]json.RawMessage `json:"auths"`
	CredsStore  string                     `json:"credsStore"`
	CredHelpers map[string]string          `json:"credHelpers"`
}

// readCredentials returns the credentials for a repository that a Docker config.json has, authn.Anonymous if there are none
// or no such file. An error names the file and says what to do, and has nothing of a secret in it.
func readCredentials(path string, repository name.Repository) (authn.Authenticator, error) {
	if path == "" {
		return authn.Anonymous, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return authn.Anonymous, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading credentials: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxCredentials+1))
	if err != nil {
		return nil, fmt.Errorf("reading credentials: %w", err)
	}
	if len(text) > maxCredentials {
		return nil, fmt.Errorf("reading credentials: %s is larger than 1 MiB", path)
	}
	credentials, err := parseCredentials(text, repository)
	if err != nil {
		return nil, fmt.Errorf("credentials in %s: %w", path, err)
	}
	return credentials, nil
}

// parseCredentials finds the entry for a repository: of those whose host is the registry's, the one with the longest path
// that the repository is in, as in Kubernetes.
func parseCredentials(text []byte, repository name.Repository) (authn.Authenticator, error) {
	var config configFile
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("this is no Docker config.json: %w", err)
	}
	host := canonicalHost(repository.RegistryStr())
	var found json.RawMessage
	foundKey, longest := "", -1
	for key, entry := range config.Auths {
		if n, matches := matchKey(key, host, repository.RepositoryStr()); matches && (n > longest || n == longest && key < foundKey) {
			found, foundKey, longest = entry, key, n
		}
	}
	var entry authn.AuthConfig
	if found != nil {
		if err := json.Unmarshal(found, &entry); err != nil {
			return nil, fmt.Errorf("the entry %q: %w", foundKey, err)
		}
	}
	if entry != (authn.AuthConfig{}) {
		return authn.FromConfig(entry), nil
	}
	helper := ""
	for key, name := range config.CredHelpers {
		if _, matches := matchKey(key, host, repository.RepositoryStr()); matches {
			helper = name
		}
	}
	// docker login leaves an empty entry behind when it hands the credentials to the store.
	if helper == "" && found != nil {
		helper = config.CredsStore
	}
	if helper != "" {
		return nil, fmt.Errorf("those for %s are with the credential helper %q, which is a program and is not started: "+
			`write {"auths":{%q:{"auth":"BASE64"}}} to a config.json of its own, where BASE64 is that of USER:PASSWORD, `+
			"and set DOCKER_CONFIG to its directory", repository.RegistryStr(), helper, repository.RegistryStr())
	}
	return authn.Anonymous, nil
}

// matchKey says whether a key of auths is for a repository, and how long its path is. A key is a host, which may have a
// scheme before it and a path behind it: that of Docker's first interface (/v1/), or one of repositories.
func matchKey(key, host, repository string) (length int, matches bool) {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	keyHost, path, _ := strings.Cut(key, "/")
	if canonicalHost(keyHost) != host {
		return 0, false
	}
	switch path = strings.Trim(path, "/"); path {
	case "", "v1", "v2":
		return 0, true
	}
	return len(path), path == repository || strings.HasPrefix(repository, path+"/")
}

// canonicalHost is one name for the hosts that are the same registry.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	switch host {
	case "docker.io", "registry-1.docker.io":
		return name.DefaultRegistry
	}
	return host
}
