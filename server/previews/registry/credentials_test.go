package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

func repository(t testing.TB, text string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var secret = base64.StdEncoding.EncodeToString([]byte("me:s3cret"))

// TestParseCredentials: whose entry is for a repository, and what it may say.
func TestParseCredentials(t *testing.T) {
	mine, other := `{"auth":"`+secret+`"}`, `{"auth":"`+base64.StdEncoding.EncodeToString([]byte("other:x"))+`"}`
	for _, c := range []struct{ repository, config, want string }{
		{"r.example.com/team/app", `{"auths":{"r.example.com":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"https://r.example.com":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"https://r.example.com/v1/":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"R.example.com:443":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":` + other + `,"r.example.com/team":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"r.example.com/tea":` + other + `,"r.example.com/team/app/x":` + other + `}}`, "anonymous"},
		{"r.example.com/team/app", `{"auths":{"r.example.com:5000":` + mine + `,"example.com":` + mine + `}}`, "anonymous"},
		{"r.example.com:5000/team/app", `{"auths":{"r.example.com:5000":` + mine + `,"r.example.com":` + other + `}}`, "me s3cret"},
		{"index.docker.io/team/app", `{"auths":{"https://index.docker.io/v1/":` + mine + `}}`, "me s3cret"},
		{"docker.io/team/app", `{"auths":{"docker.io":` + mine + `}}`, "me s3cret"},
		{"registry-1.docker.io/team/app", `{"auths":{"https://index.docker.io/v1/":` + mine + `}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{"username":"me","password":"s3cret"}}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{"auth":"` + strings.TrimRight(secret, "=") + `"}}}`, "me s3cret"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{"identitytoken":"it"}}}`, "identity it"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{"registrytoken":"rt"}}}`, "token rt"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{}}}`, "anonymous"},
		{"r.example.com/team/app", `{"auths":{"broken.example.com":{"auth":"%"}}}`, "anonymous"},
		{"r.example.com/team/app", `{}`, "anonymous"},
		{"r.example.com/team/app", `{"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud"}}`, "anonymous"},
		{"r.example.com/team/app", `{"auths":{"r.example.com":` + mine + `},"credsStore":"desktop"}`, "me s3cret"},

		{"r.example.com/team/app", `{"auths":{"r.example.com":{"auth":"%"}}}`, `error: the entry "r.example.com": unable to decode auth field: illegal base64 data at input byte 0`},
		{"r.example.com/team/app", `{"auths":{"r.example.com":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("s3cret")) + `"}}}`, `error: the entry "r.example.com": unable to decode auth field: must be formatted as base64(username:password)`},
		{"r.example.com/team/app", `{"auths":{"r.example.com":[]}}`, "error: the entry"},
		{"r.example.com/team/app", `auths`, "error: this is no Docker config.json"},
		{"r.example.com/team/app", `[]`, "error: this is no Docker config.json"},
		{"r.example.com/team/app", ``, "error: this is no Docker config.json"},
		{"r.example.com/team/app", `{"auths":{"https://r.example.com":{}},"credsStore":"desktop"}`,
			`error: those for r.example.com are with the credential helper "desktop", which is a program and is not started: write {"auths":{"r.example.com":{"auth":"BASE64"}}} ` +
				`to a config.json of its own, where BASE64 is that of USER:PASSWORD, and set DOCKER_CONFIG to its directory`},
		{"r.example.com/team/app", `{"credHelpers":{"r.example.com":"ecr-login"}}`, `error: those for r.example.com are with the credential helper "ecr-login"`},
	} {
		t.Run(c.config, func(t *testing.T) {
			credentials, err := parseCredentials([]byte(c.config), repository(t, c.repository))
			if err != nil {
				if got := "error: " + err.Error(); !strings.HasPrefix(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				isOneLine(t, err)
				return
			}
			if got := describe(t, credentials); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// describe is what credentials say.
func describe(t testing.TB, credentials authn.Authenticator) string {
	t.Helper()
	if credentials == authn.Anonymous {
		return "anonymous"
	}
	auth, err := credentials.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case auth.IdentityToken != "":
		return "identity " + auth.IdentityToken
	case auth.RegistryToken != "":
		return "token " + auth.RegistryToken
	}
	return auth.Username + " " + auth.Password
}

// FuzzParseCredentials: no file has it panic, and none yields credentials without an entry for the host.
func FuzzParseCredentials(f *testing.F) {
	for _, seed := range []string{`{"auths":{"r.example.com":{"auth":"` + secret + `"}}}`, `{"auths":{"https://r.example.com/v1/":{"identitytoken":"t"}},"credHelpers":{"r.example.com":"x"}}`, `{"auths":null}`, `[`} {
		f.Add([]byte(seed))
	}
	r := repository(f, "r.example.com/team/app")
	f.Fuzz(func(t *testing.T, text []byte) {
		credentials, err := parseCredentials(text, r)
		if (credentials == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, credentials, err)
		}
		if err == nil && credentials != authn.Anonymous && !strings.Contains(strings.ToLower(string(text)), "r") {
			t.Errorf("%q has credentials", text)
		}
	})
}

// TestNew: what is wrong with the settings is found at the start.
func TestNew(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "config.json")
	if err := os.WriteFile(file, []byte(`{"credHelpers":{"r.example.com":"ecr-login"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(directory, "large")
	if err := os.WriteFile(large, make([]byte, maxCredentials+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Repository: "r.example.com/team/app"}, ""},
		{Options{Repository: "r.example.com/team/app", Credentials: filepath.Join(directory, "nowhere", "config.json")}, ""},
		{Options{Repository: "r.example.com/team/app", Credentials: file}, "credentials in " + file + ": those for r.example.com are with"},
		{Options{Repository: "r.example.com/team/app", Credentials: large}, "reading credentials: " + large + " is larger than 1 MiB"},
		{Options{Repository: "r.example.com/team/app", Credentials: directory}, "reading credentials: read " + directory},
		{Options{Repository: "r.example.com/Team"}, `repository "r.example.com/Team": `},
		{Options{Repository: "team"}, `repository "team": `},
	} {
		client, err := New(c.options)
		if c.want == "" {
			if err != nil || client == nil {
				t.Errorf("%+v: %v", c.options, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.options, err, c.want)
		}
	}
}

// secured is a registry that wants a token, which it hands out itself, or another host, to a user with a password.
type secured struct {
	*fake
	password, token string
}

// signIn has a fake ask for a bearer token.
func (f *fake) secured(t testing.TB, realm func(host string) string) *secured {
	s := &secured{fake: f, password: "s3cret", token: "token-1"}
	f.on("GET /token", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, password, _ := r.BasicAuth(); password != s.password {
			w.WriteHeader(401)
			return
		}
		if scope := r.URL.Query().Get("scope"); scope != "repository:team/app:pull" {
			t.Errorf("the scope is %q", scope)
		}
		_, _ = fmt.Fprintf(w, `{"token":%q}`, s.token)
	})
	for what, answer := range f.answers {
		if what == "GET /token" {
			continue
		}
		f.answers[what] = func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			token := s.token
			f.mu.Unlock()
			if r.Header.Get("Authorization") != "Bearer "+token {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm(r.Host)+`",service="r",scope="repository:team/app:pull"`)
				w.WriteHeader(401)
				return
			}
			answer(w, r)
		}
	}
	return s
}

// change has the registry know other secrets.
func (s *secured) change(password, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password, s.token = password, token
}

// write writes a config.json for a host as a mounted Secret is: by switching a link.
func write(t testing.TB, directory, host, password string) (file string) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
	text := encode(t, object{"auths": object{host: object{"auth": auth}}})
	version, err := os.MkdirTemp(directory, "..version")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(version, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Base(version), filepath.Join(directory, "..new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(directory, "..new"), filepath.Join(directory, "..data")); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(directory, "config.json")
	if err := os.Symlink("..data/config.json", file); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return file
}

// TestToken: one token is used until it is refused; then another is fetched; and where the password is refused too, the file
// is read again.
func TestToken(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
	s := f.secured(t, func(host string) string { return "https://" + host + "/token" })
	host, directory := a.serve(t, s), t.TempDir()
	file := write(t, directory, host, "s3cret")
	client := a.client(t, host, Options{Credentials: file})
	check := func(tokens int) {
		t.Helper()
		if got, err := client.Head(t.Context(), "pr-42"); err != nil || got != digest {
			t.Fatalf("got %q, %v", got, err)
		}
		if image, err := client.Image(t.Context(), digest); err != nil || len(image.Layers) != 2 {
			t.Fatalf("got %+v, %v", image, err)
		}
		if n := f.count("GET /token"); n != tokens {
			t.Errorf("%d tokens were asked for, want %d", n, tokens)
		}
	}
	check(1)
	check(1)
	s.change("s3cret", "token-2")
	check(2)
	write(t, directory, host, "s3cret-new")
	s.change("s3cret-new", "token-3")
	check(4) // the old password is refused, the new one is not

	s.change("s3cret-other", "token-4")
	_, err := client.Head(t.Context(), "pr-42")
	if want := host + "/team/app:pr-42: answers 401 Unauthorized, asked with the credentials in " + file; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if n := f.count("GET /token"); n != 6 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// TestRefusedAgainAndAgain: signing in is not tried more often than once in a pause.
func TestRefusedAgainAndAgain(t *testing.T) {
	a, f := newAuthority(t), newFake()
	f.put("manifests", "pr-42", []byte("{}"))
	s := f.secured(t, func(host string) string { return "https://" + host + "/token" })
	host := a.serve(t, s)
	others := write(t, t.TempDir(), "other.example.com", "s3cret")
	_, err := a.client(t, host, Options{Credentials: others}).Head(t.Context(), "pr-42")
	if want := host + "/team/app:pr-42: answers 401 Unauthorized, asked without credentials, as there are none for " + host + " in " + others; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	before := f.count("GET /token")
	client := a.client(t, host, Options{Credentials: write(t, t.TempDir(), host, "wrong")})
	client.pause = 1 << 60
	for range 5 {
		_, err := client.Head(t.Context(), "pr-42")
		if err == nil || !strings.Contains(err.Error(), "answers 401 Unauthorized, asked with the credentials in ") {
			t.Errorf("got %v", err)
		}
	}
	if n := f.count("GET /token") - before; n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// TestRealm: the host that the registry names for tokens gets the password, and the registry the token.
func TestRealm(t *testing.T) {
	a, f := newAuthority(t), newFake()
	f.put("manifests", "pr-42", []byte("{}"))
	tokens := newFake()
	tokens.on("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
			t.Errorf("the realm gets %q", r.Header)
		}
		_, _ = io.WriteString(w, `{"access_token":"token-1"}`)
	})
	_, port, _ := strings.Cut(a.serve(t, tokens), ":")
	s := f.secured(t, func(string) string { return "https://localhost:" + port + "/token" })
	host := a.serve(t, s)
	if _, err := a.client(t, host, Options{Credentials: write(t, t.TempDir(), host, "s3cret")}).Head(t.Context(), "pr-42"); err != nil {
		t.Fatal(err)
	}
	if n := f.count("GET /token"); n != 0 {
		t.Errorf("the registry was asked for %d tokens", n)
	}
}

// TestNoCredentialsElsewhere: whatever is redirected, the other host gets neither password nor token.
func TestNoCredentialsElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		redirected string
		basic      bool
		entry      object
	}{
		"a manifest, with a token":    {redirected: get},
		"a manifest, with a password": {redirected: get, basic: true},
		"a token":                     {redirected: "GET /token"},
		"an identity token":           {redirected: "POST /token", entry: object{"identitytoken": "s3cret"}},
		"signing in":                  {redirected: "GET /v2/", basic: true},
	} {
		t.Run(name, func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			elsewhere := a.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				content, _ := io.ReadAll(r.Body)
				if r.Header.Get("Authorization") != "" || strings.Contains(string(content), "s3cret") || r.Method == http.MethodPost {
					t.Errorf("the other host gets %s %q %q", r.Method, r.Header, content)
				}
				// It asks for what it could get.
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(401)
			}))
			redirect := func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://"+elsewhere+"/token", http.StatusTemporaryRedirect)
			}
			if c.basic {
				f.on("GET /v2/", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					w.WriteHeader(401)
				})
			} else {
				f.on("GET /v2/", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token"`)
					w.WriteHeader(401)
				})
				f.on("GET /token", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"s3cret"}`) })
			}
			f.on(c.redirected, redirect)
			host := a.serve(t, f)
			entry := c.entry
			if entry == nil {
				entry = object{"auth": secret}
			}
			file := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(file, encode(t, object{"auths": object{host: entry}}), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := a.client(t, host, Options{Credentials: file}).Image(t.Context(), "pr-42")
			if err == nil {
				t.Fatal("no error")
			}
			isOneLine(t, err)
			if f.count(c.redirected) == 0 {
				t.Errorf("nothing was redirected: %v, %q", err, f.asked)
			}
		})
	}
}

// TestIdentityToken: it is exchanged by POST, and by GET at realms that do not know that.
func TestIdentityToken(t *testing.T) {
	for name, post := range map[string]http.HandlerFunc{
		"by POST": func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("refresh_token") != "it" || r.FormValue("grant_type") != "refresh_token" {
				t.Errorf("the realm gets %q", r.Form)
			}
			_, _ = io.WriteString(w, `{"access_token":"token-1"}`)
		},
		"by GET": http.NotFound,
	} {
		t.Run(name, func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			digest := f.put("manifests", "pr-42", []byte("{}"))
			s := f.secured(t, func(host string) string { return "https://" + host + "/token" })
			s.change("", "token-1")
			f.on("POST /token", post)
			host := a.serve(t, s)
			file := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(file, encode(t, object{"auths": object{host: object{"identitytoken": "it"}}}), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := a.client(t, host, Options{Credentials: file}).Head(t.Context(), "pr-42"); err != nil || got != digest {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestBasic: a registry that asks for the password itself.
func TestBasic(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", []byte("{}"))
	host := a.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return
		}
		f.ServeHTTP(w, r)
	}))
	directory := t.TempDir()
	client := a.client(t, host, Options{Credentials: write(t, directory, host, "old")})
	if _, err := client.Head(t.Context(), "pr-42"); err == nil || !strings.Contains(err.Error(), "answers 401 Unauthorized, asked with the credentials in ") {
		t.Errorf("got %v", err)
	}
	write(t, directory, host, "s3cret")
	if got, err := client.Head(t.Context(), "pr-42"); err != nil || got != digest {
		t.Errorf("got %q, %v", got, err)
	}
}
