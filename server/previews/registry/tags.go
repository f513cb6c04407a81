package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
)

const (
	// MaxTags is how many tags are read.
	MaxTags = 10_000
	// pageSize is how many are asked for at a time; some registries refuse to be asked for more.
	pageSize = 1000
	// maxPages bounds the pages of a registry that sends few tags with each, or none.
	maxPages = 500
	// maxTag is how long a tag may be, in bytes.
	maxTag = 128
)

// IsTag says whether a name can be that of a tag (OCI distribution specification, "Pull").
func IsTag(name string) bool {
	if name == "" || len(name) > maxTag || name[0] == '.' || name[0] == '-' {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// Tags returns the tags of the repository, in the order in which the registry has them. If it has more than MaxTags, they are
// the first ones, and more is set. What cannot be a tag is left out.
func (c *Client) Tags(ctx context.Context) (tags []string, more bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxCall, errTooSlow)
	defer cancel()
	err = c.do(ctx, "tags of "+c.repository.Name(), func(s *session) error {
		tags, more, err = c.tags(ctx, s)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return tags, more, nil
}

func (c *Client) tags(ctx context.Context, s *session) (tags []string, more bool, err error) {
	next := &url.URL{Scheme: "https", Host: c.repository.RegistryStr(), Path: c.transport.repository + "tags/list", RawQuery: fmt.Sprintf("n=%d", pageSize)}
	if c.insecure {
		next.Scheme = "http"
	}
	for range maxPages {
		var page []string
		if page, next, err = tagPage(ctx, s, next); err != nil {
			return nil, false, err
		}
		for _, tag := range page {
			if !IsTag(tag) {
				continue
			}
			if len(tags) == MaxTags {
				return tags, true, nil
			}
			tags = append(tags, tag)
		}
		if next == nil {
			return tags, false, nil
		}
	}
	return tags, true, nil
}

// tagPage reads one page, and where the next one is (OCI distribution specification, "Listing Tags"). The library's own
// Lister takes a registry at a private address to speak plain HTTP, and then refuses the second page by HTTPS.
func tagPage(ctx context.Context, s *session, at *url.URL) (tags []string, next *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, &statusError{status: resp.StatusCode, path: at.Path}
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(content, &page); err != nil {
		return nil, nil, errors.New("answers with something other than a list of tags")
	}
	next, err = nextPage(resp.Header.Values("Link"), at)
	return page.Tags, next, err
}

// nextPage finds the link with the relation next (RFC 8288). It has to lead to the same registry.
func nextPage(links []string, at *url.URL) (*url.URL, error) {
	for _, link := range links {
		target, parameters, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		parameters = strings.ToLower(parameters)
		if !ok || !strings.Contains(parameters, `rel="next"`) && !strings.Contains(parameters, "rel=next") {
			continue
		}
		next, err := at.Parse(target)
		if err != nil {
			return nil, errors.New("the link to the next page of tags is no URL")
		}
		if next.Scheme != at.Scheme || next.Host != at.Host {
			return nil, fmt.Errorf("the next page of tags is said to be at %s://%s", next.Scheme, next.Host)
		}
		return next, nil
	}
	return nil, nil
}

// Head returns the digest that a tag leads to now, by a HEAD request, or by GET where the registry does not answer that with
// a digest.
func (c *Client) Head(ctx context.Context, tag string) (digest string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxCall, errTooSlow)
	defer cancel()
	ref, what, err := c.reference(tag)
	if err != nil {
		return "", err
	}
	err = c.do(ctx, what, func(s *session) error {
		described, err := s.puller.Head(ctx, ref)
		if err == nil {
			digest = described.Digest.String()
			return nil
		}
		if !lacksHead(err) {
			return err
		}
		got, err := s.puller.Get(ctx, ref)
		if err == nil {
			digest = got.Digest.String()
		}
		return err
	})
	return digest, err
}

// lacksHead says whether a registry has no use for HEAD, by the error of one: a status that says so, or an answer without the
// fields that it is to have.
func lacksHead(err error) bool {
	switch statusOf(err) {
	case 0:
		_, failed := errors.AsType[*url.Error](err)
		return !failed
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusNotFound: // the answer to GET says whose that is
		status, ok := errors.AsType[*statusError](err)
		return ok && !status.isOwn
	}
	return false
}

// reference is what a tag or a digest means in the repository, and its text for an error.
func (c *Client) reference(reference string) (ref name.Reference, what string, err error) {
	if strings.Contains(reference, ":") {
		what = c.repository.Name() + "@" + oneLine(reference)
		if _, err := v1.NewHash(reference); err != nil {
			return nil, what, &failure{what, "this is no digest of sha256 or sha512", ErrNotFound}
		}
		return c.repository.Digest(reference), what, nil
	}
	what = c.repository.Name() + ":" + oneLine(reference)
	if !IsTag(reference) {
		return nil, what, &failure{what, "this is no name of a tag", ErrNotFound}
	}
	return c.repository.Tag(reference), what, nil
}
