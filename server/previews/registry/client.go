package registry

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	// maxCall is how long all that a call asks for may take, layers aside.
	maxCall = 2 * time.Minute
	// signInPause is the least time between two tries to sign in.
	signInPause = time.Second
	// maxLayers is how many layers are fetched at once; the others wait.
	maxLayers = 16
)

// Options say which repository is read, and how.
type Options struct {
	// Repository is its name with the host: registry.example.com:5000/team/app.
	Repository string
	// Insecure is plain HTTP to the registry.
	Insecure bool
	// Credentials is the path of a Docker config.json. If it is "" or there is no such file, the client is anonymous.
	Credentials string
	// UserAgent is the field User-Agent of each request.
	UserAgent string
}

// Client reads one repository. Its methods may be called at the same time.
type Client struct {
	repository  name.Repository
	insecure    bool
	credentials string
	transport   *roundTripper
	pause       time.Duration

	// signing holds one value, which whoever uses the fields below has taken out.
	signing chan struct{}
	current *session  // nil: none yet, or the last try to sign in failed
	tried   time.Time // when it was last tried
	failed  error     // why it failed
}

// session is what holds until credentials are refused.
type session struct {
	puller *remote.Puller
	http   *http.Client
	// with says in an error which credentials these are.
	with string
}

// New returns a client. It reads the credentials, and connects to nothing yet. The error is of the repository's name or of
// the file of credentials.
func New(o Options) (*Client, error) {
	options := []name.Option{name.StrictValidation}
	if o.Insecure {
		options = append(options, name.Insecure)
	}
	repository, err := name.NewRepository(o.Repository, options...)
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", o.Repository, err)
	}
	c := &Client{
		repository:  repository,
		insecure:    o.Insecure,
		credentials: o.Credentials,
		pause:       signInPause,
		signing:     make(chan struct{}, 1),
	}
	c.signing <- struct{}{}
	c.transport = newTransport(repository, o.Insecure, o.UserAgent)
	if _, err := readCredentials(o.Credentials, repository); err != nil {
		return nil, err
	}
	return c, nil
}

// signIn returns the session that is in force, and makes one where there is none. Given one that was refused, it makes
// another one, or returns the same if there was a try less than a pause ago.
func (c *Client) signIn(ctx context.Context, refused *session) (*session, error) {
	select {
	case <-c.signing:
		defer func() { c.signing <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c.current != nil && c.current != refused {
		return c.current, nil
	}
	if !c.tried.IsZero() && time.Since(c.tried) < c.pause {
		return c.current, c.failed
	}
	made, err := c.newSession(ctx)
	if ctx.Err() != nil {
		return nil, err // says nothing about the registry
	}
	c.current, c.failed, c.tried = made, err, time.Now()
	return made, err
}

// newSession reads the credentials, and asks the registry which kind it wants.
func (c *Client) newSession(ctx context.Context) (*session, error) {
	credentials, err := readCredentials(c.credentials, c.repository)
	if err != nil {
		return nil, err
	}
	with := "asked without credentials"
	switch {
	case credentials != authn.Anonymous:
		with = "asked with the credentials in " + c.credentials
	case c.credentials != "":
		with += ", as there are none for " + c.repository.RegistryStr() + " in " + c.credentials
	}
	scopes := []string{c.repository.Scope(transport.PullScope)}
	signed, err := transport.NewWithContext(ctx, c.repository.Registry, credentials, c.transport, scopes)
	if err != nil {
		return nil, &signInError{with: with, err: err}
	}
	// The library adds nothing to a transport of this type: no tries of its own, no second signing in.
	puller, err := remote.NewPuller(remote.WithTransport(signed), remote.WithJobs(maxLayers))
	if err != nil {
		return nil, err
	}
	return &session{puller: puller, http: &http.Client{Transport: signed}, with: with}, nil
}

// do calls a function with a session, and once more with a new one if its credentials were refused. What is asked for is
// named in the error.
func (c *Client) do(ctx context.Context, what string, call func(*session) error) error {
	s, err := c.signIn(ctx, nil)
	if err != nil {
		return c.explain(what, err)
	}
	if err = call(s); !isRefusal(err) {
		return c.explain(what, err)
	}
	again, signInErr := c.signIn(ctx, s)
	switch {
	case signInErr != nil:
		err = signInErr
	case again != s:
		s, err = again, call(again)
	}
	if isRefusal(err) {
		err = &signInError{with: s.with, err: err}
	}
	return c.explain(what, err)
}
