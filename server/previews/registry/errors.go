package registry

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrNotFound is returned when the registry says that the tag, or the repository, is not there. A 404 that is not its own,
// as of a proxy that has no way to it for a moment, is none.
var ErrNotFound = errors.New("not found")

// RefusedError says that an image can never be shown. All errors that are none of these, nor ErrNotFound, may pass.
type RefusedError struct {
	Reason string // one line
}

func (e *RefusedError) Error() string { return e.Reason }

// refused is a RefusedError.
func refused(format string, args ...any) error {
	return &RefusedError{Reason: oneLine(fmt.Sprintf(format, args...))}
}

const (
	// limitedPause is how long to wait after a 429 that does not say it.
	limitedPause = time.Minute
	// maxPause is the longest wait that a registry may ask for.
	maxPause = time.Hour
)

// RetryAfter returns how long the registry has asked to be left alone, if it has: by the field Retry-After of a 429 or 503,
// at most an hour, and a minute where a 429 has none (RFC 9110, section 10.2.3; RFC 6585, section 4).
func RetryAfter(err error) (time.Duration, bool) {
	if status, ok := errors.AsType[*statusError](err); ok && status.after > 0 {
		return status.after, true
	}
	return 0, false
}

// statusError is an answer that says that something failed.
type statusError struct {
	status int
	host   string // which answers, where it is not the registry that was asked
	path   string // that was asked for, before redirects
	said   string // the registry's own words, in one line
	isOwn  bool   // the answer has the form of a registry's own, not that of a proxy which has no way to it
	after  time.Duration
}

func (e *statusError) Error() string {
	text := "answers " + strings.TrimSpace(strconv.Itoa(e.status)+" "+http.StatusText(e.status))
	if e.host != "" {
		text = e.host + " " + text
	}
	if e.said != "" {
		text += fmt.Sprintf(" (%q)", e.said)
	}
	return text
}

// newStatusError reads a failure. Its content is bounded already.
func newStatusError(resp *http.Response, first *http.Request) error {
	e := &statusError{status: resp.StatusCode, path: first.URL.Path}
	if host := resp.Request.URL.Host; host != first.URL.Host {
		e.host = host
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.after = retryAfter(resp)
	}
	// HEAD has no content to tell it by.
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	e.isOwn = kind == "application/json"
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return e // its status has come
	}
	var failure struct {
		Errors []transport.Diagnostic `json:"errors"`
	}
	if json.Unmarshal(content, &failure) == nil && len(failure.Errors) > 0 {
		e.said, e.isOwn = said(failure.Errors), true
	}
	return e
}

// said are the words of the first error that a registry names.
func said(errors []transport.Diagnostic) string {
	first := errors[0]
	if first.Message == "" {
		return oneLine(string(first.Code))
	}
	return oneLine(first.Message)
}

// retryAfter reads the field Retry-After: seconds or a date.
func retryAfter(resp *http.Response) (after time.Duration) {
	value := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		after = time.Until(date)
	} else if resp.StatusCode == http.StatusTooManyRequests {
		return limitedPause
	} else {
		return 0
	}
	return min(max(after, time.Second), maxPause)
}

// signInError is a failure to sign in, or the refusal of what was signed.
type signInError struct {
	with string // which credentials
	err  error
}

func (e *signInError) Error() string { return e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }

// isRefusal says whether an error is that credentials do not suffice.
func isRefusal(err error) bool {
	status := statusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// statusOf is the status of the answer that an error is about, 0 if there is none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

// failure is an error with what was asked for. Its text has no URL of a redirect and nothing that was signed.
type failure struct {
	what, text string
	err        error
}

func (e *failure) Error() string { return e.what + ": " + e.text }
func (e *failure) Unwrap() error { return e.err }

// explain makes the error of a call.
func (c *Client) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		return refusal
	}
	if status, ok := errors.AsType[*statusError](err); ok && status.status == http.StatusNotFound && status.isOwn {
		if _, signingIn := errors.AsType[*signInError](err); !signingIn && strings.HasPrefix(status.path, c.transport.repository) {
			return &failure{what, ErrNotFound.Error(), ErrNotFound}
		}
	}
	text := cause(err)
	if signIn, ok := errors.AsType[*signInError](err); ok && isRefusal(err) {
		text += ", " + signIn.with
	}
	return &failure{what, text, err}
}

// cause is the text of an error without what the layers around it say.
func cause(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		status := &statusError{status: e.StatusCode}
		if len(e.Errors) > 0 {
			status.said = said(e.Errors)
		}
		return status.Error()
	}
	// Where HTTPS and plain HTTP were tried, that of HTTPS is the first.
	if e, ok := errors.AsType[*overPlainHTTP](err); ok {
		err = e.err
	}
	for {
		inner, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = inner.Err
	}
	text := oneLine(err.Error())
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		text += "; SSL_CERT_FILE names a file with the certificates that are trusted"
	}
	if strings.Contains(text, "server gave HTTP response to HTTPS client") {
		text += "; PREVIEWS_INSECURE=true allows it"
	}
	return text
}

// maxText bounds what is quoted of others, in bytes.
const maxText = 300

// oneLine is the first line of a text, without the queries of URLs, which may have secrets in them. The library writes the
// content of an answer without a token into a second line.
func oneLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	var line strings.Builder
	inQuery := false
	for _, r := range text {
		switch {
		case line.Len() >= maxText:
			return line.String() + "..."
		case inQuery && r != ' ' && r != '"':
			continue
		case !unicode.IsPrint(r):
			r = ' '
		}
		inQuery = r == '?'
		line.WriteRune(r)
	}
	return line.String()
}
