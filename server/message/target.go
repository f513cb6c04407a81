package message

import "strings"

// CutAbsolute cuts a request target in absolute-form (RFC 9112, section 3.2.2) behind its authority. rest is path
// and query, and may be empty.
func CutAbsolute(target string) (authority, rest string, absolute bool) {
	scheme, rest, found := strings.Cut(target, "://")
	if !found || strings.ContainsAny(scheme, "/?") {
		return "", "", false
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return rest[:i], rest[i:], true
	}
	return rest, "", true
}

// TargetPath is a request target without its query and fragment.
func TargetPath(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// OneSlash keeps one of the slashes that a target begins with. gh-87389: a target that begins with // would become
// a network-path reference in a redirect.
func OneSlash(target string) string {
	if strings.HasPrefix(target, "//") {
		return "/" + strings.TrimLeft(target, "/")
	}
	return target
}
