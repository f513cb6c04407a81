package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/previewd/previewd/server/message"
)

// refusal is why something that may well exist was not served. It is for the operator.
type refusal struct {
	once string // the thing that is at fault
	text string
}

func (r *refusal) Error() string { return r.text }

// OnceKey names the thing that is at fault, which is worth one log line however often it is asked for.
// A client can make up any number of keys where links form a loop.
func (r *refusal) OnceKey() string { return r.once }

// notFound is http.server's answer to everything that it cannot open.
func notFound(cause error) message.Response {
	return (&message.Failure{Status: 404, Message: "File not found", Cause: cause}).Response()
}

// unavailable is the answer when a file is there and cannot be read now. http.server does not know it.
func unavailable(name string, cause error) message.Response {
	f := &message.Failure{Status: 503, Explain: "The file cannot be read at this moment", Cause: fmt.Errorf("%q: %w", name, cause)}
	if errors.Is(cause, errRestless) {
		f.Explain = "The file kept changing while it was read"
	}
	if errors.Is(cause, context.Canceled) {
		f.Explain = "The request was given up"
	}
	resp := f.Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
	return resp
}

// refuse answers for a name that could not be opened.
func (s *Site) refuse(t tree, name string, err error) message.Response {
	switch {
	case isRefused(err):
		return notFound(s.refusedLink(t, name, err))
	case errors.Is(err, fs.ErrPermission):
		return notFound(s.unreadable(t, name, err))
	case isTemporary(err):
		return unavailable(name, err)
	}
	return notFound(nil)
}

// isTemporary says whether it is the system that fell short, not the name.
func isTemporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// refusedLink names the first link on the way to a name that is not followed.
func (s *Site) refusedLink(t tree, name string, err error) *refusal {
	for link := range prefixes(name) {
		if _, e := t.stat(link); e == nil || !isRefused(e) {
			continue
		}
		target, _ := os.Readlink(filepath.Join(s.opts.Directory, filepath.FromSlash(link)))
		advice := "SYMLINKS=follow follows it"
		switch {
		case errors.Is(err, errHidden):
			advice = "HIDDEN=serve follows it"
		case errors.Is(err, errLeadsOut) && filepath.IsAbs(target):
			advice = "absolute links are not followed, relative ones are; SYMLINKS=follow follows it"
		}
		return &refusal{"link " + link, fmt.Sprintf("%v: %q -> %q; %s", err, link, target, advice)}
	}
	return &refusal{"link " + name, fmt.Sprintf("%v: %q", err, name)}
}

// unreadable names the directory that may not be searched, or else the thing itself that may not be read.
func (s *Site) unreadable(t tree, name string, err error) *refusal {
	blamed := "."
	for prefix := range prefixes(name) {
		if _, e := t.stat(prefix); errors.Is(e, fs.ErrPermission) {
			break
		}
		blamed = prefix
	}
	if blamed == "." {
		return &refusal{"directory", s.diagnose(err).Error()}
	}
	text := fmt.Sprintf("%q cannot be read by uid %d: %v", blamed, os.Geteuid(), reason(err))
	if st, e := t.stat(blamed); e == nil {
		text += " (" + st.describe() + ")"
	}
	return &refusal{"unreadable " + blamed, text + "; " + remedies}
}

// reason is the system's error without the path that the caller names itself.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// prefixes yields the directories on the way to a name and then the name: a, a/b, a/b/c.
func prefixes(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(name); {
			if slash := strings.IndexByte(name[i:], '/'); slash >= 0 {
				i += slash
			} else {
				i = len(name)
			}
			if !yield(name[:i]) {
				return
			}
			i++
		}
	}
}

func notRegular(name string, mode fs.FileMode) *refusal {
	kind := "a device"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return &refusal{"special " + name, fmt.Sprintf("%q is %s, only files and directories are served", name, kind)}
}

func hiddenName(name string) error {
	return fmt.Errorf("%q is hidden; HIDDEN=serve serves it", name)
}

// refuseAll answers when the directory itself could not be opened.
func (s *Site) refuseAll(err error) message.Response {
	if isTemporary(err) {
		return unavailable(s.opts.Directory, err)
	}
	return notFound(&refusal{"directory", s.diagnose(err).Error()})
}
