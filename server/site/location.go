package site

import (
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// splitTarget is a target in its parts: SplitResult. Nothing in it is decoded.
type splitTarget struct{ scheme, authority, path, query, fragment string }

// urlsplit is urllib.parse.urlsplit, but that brackets in an authority are not checked.
func urlsplit(target string) (u splitTarget) {
	const controls = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f" +
		"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "
	target = strings.TrimLeft(target, controls)
	if strings.ContainsAny(target, "\t\r\n") {
		target = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(target)
	}
	if i := strings.IndexByte(target, ':'); i > 0 && isScheme(target[:i]) {
		u.scheme, target = strings.ToLower(target[:i]), target[i+1:]
	}
	if rest, found := strings.CutPrefix(target, "//"); found {
		end := len(rest)
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			end = i
		}
		u.authority, target = rest[:end], rest[end:]
	}
	target, u.fragment, _ = strings.Cut(target, "#")
	u.path, u.query, _ = strings.Cut(target, "?")
	return u
}

// isScheme says whether s consists of scheme_chars, a letter first.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.Contains("0123456789+-.", s[i:i+1])) {
			return false
		}
	}
	return true
}

// usesAuthority are the schemes that get a // even if the authority is empty: uses_netloc.
var usesAuthority = strings.Fields("ftp http gopher nntp telnet imap wais file mms https shttp snews " +
	"prospero rtsp rtsps rtspu rsync svn svn+ssh sftp nfs git git+ssh ws wss itms-services")

// unsplit is urllib.parse.urlunsplit of 3.13 and later. An empty query or fragment leaves no mark.
func (u splitTarget) unsplit() string {
	target := u.path
	switch {
	case u.authority != "":
		if target != "" && target[0] != '/' {
			target = "/" + target
		}
		target = "//" + u.authority + target
	case strings.HasPrefix(target, "//"),
		(target == "" || target[0] == '/') && slices.Contains(usesAuthority, u.scheme):
		target = "//" + target
	}
	if u.scheme != "" {
		target = u.scheme + ":" + target
	}
	if u.query != "" {
		target += "?" + u.query
	}
	if u.fragment != "" {
		target += "#" + u.fragment
	}
	return target
}

// endsInSlash says whether a directory is asked for as one, so that relative references in its page
// work; the escaped slash counts since gh-134098.
func (s *Site) endsInSlash(target string) bool {
	path := message.TargetPath(target)
	if s.opts.Exact {
		path = urlsplit(target).path
	}
	return strings.HasSuffix(path, "/") || strings.HasSuffix(path, "%2f") || strings.HasSuffix(path, "%2F")
}

// redirect answers a directory's target without a slash with the one that has it.
func (s *Site) redirect(target string, at reading) message.Response {
	location := toSlash(target, at)
	if s.opts.Exact {
		if location = absoluteToSlash(target); strings.IndexByte(location, 0) >= 0 {
			return notFound(nil)
		}
	}
	// Clients may keep a 301 for ever (RFC 9110, section 15.4.2), but the next build may have a file there.
	return message.Response{Status: 301, Fields: s.unvalidated("Location", location)}
}

// toSlash is the last part of a target's path with a slash, relative to the target: it holds behind any prefix that a
// proxy takes away, and cannot lead to another host. It begins with "./", as a directory may be called a:b.
func toSlash(target string, at reading) string {
	path := message.TargetPath(target)
	last := path[strings.LastIndexByte(path, '/')+1:]
	if at.title == "" { // what is not escaped is Latin-1, and what is escaped is to be UTF-8
		last = message.Latin1(last)
	}
	location := append(make([]byte, 0, len(target)+3), "./"...)
	if location = appendReference(location, last); last != "" {
		location = append(location, '/')
	}
	rest, fragment, found := strings.Cut(target[len(path):], "#")
	if len(rest) > len("?") {
		location = appendReference(location, rest)
	}
	if found && fragment != "" {
		location = appendReference(append(location, '#'), fragment)
	}
	return string(location)
}

// appendReference appends a part of a reference. What must not stand in one (RFC 3986, section 2) is escaped; browsers
// take "\" for a slash.
func appendReference(dst []byte, part string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(part) {
		c := part[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// absoluteToSlash is http.server's: the target with a slash at the end of its path. Nothing is decoded, normalised or
// made absolute.
func absoluteToSlash(target string) string {
	u := urlsplit(target)
	u.path += "/"
	location := u.unsplit()
	// Control characters that urlsplit drops may uncover a second slash, and the reference would be to
	// another host.
	if strings.HasPrefix(location, "//") {
		location = "/" + strings.TrimLeft(location, "/")
	}
	return location
}
