package config

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
)

// Previews is off, directories, or the repository of a registry.
type Previews string

const (
	noPreviews          Previews = "off"
	directoriesPreviews Previews = "directories"
)

const (
	// minPreviewsCheck is how far apart the questions after a tag are, at least: registries count requests.
	minPreviewsCheck = time.Second
	// minPreviewsSize has room for a small site while it is fetched.
	minPreviewsSize = 16 << 20
)

// HasPreviews says whether there are many sites, each with a host name of its own.
func (c Config) HasPreviews() bool { return c.Previews != "" && c.Previews != noPreviews }

// PreviewsRepository is the repository whose tags are the previews: host[:port]/name. It is empty where they are
// directories, and where there are none.
func (c Config) PreviewsRepository() string {
	if !c.HasPreviews() || c.Previews == directoriesPreviews {
		return ""
	}
	return string(c.Previews)
}

// exampleRepository is what messages show.
const exampleRepository = "registry.example.com/team/app"

// parsePreviews takes the words in any case.
func parsePreviews(text string) (Previews, error) {
	const allowed = "must be off, directories or a repository, such as " + exampleRepository
	word := strings.ToLower(text)
	if p := Previews(word); p == noPreviews || p == directoriesPreviews {
		return p, nil
	}
	if err := mended(text); err != nil {
		return "", err
	}
	host, _, isPath := strings.Cut(text, "/")
	switch {
	case !isPath && distance(word, string(directoriesPreviews)) <= 3: // directory
		return "", errors.New(allowed + ", did you mean directories?")
	case !isPath:
		return "", errors.New(allowed)
	case host != "localhost" && !strings.ContainsAny(host, ".:"):
		return "", errors.New("must begin with the registry's host, which has a dot or a port, such as " + exampleRepository)
	}
	if !isRepository(text) {
		return "", errors.New(allowed)
	}
	return Previews(text), nil
}

// mended says what is too much in a value that is a repository otherwise, and shows what is left.
func mended(text string) error {
	if scheme, rest, found := strings.Cut(text, "://"); found {
		if !isRepository(rest) {
			rest = exampleRepository
		}
		if strings.EqualFold(scheme, "http") {
			return errors.New("must be a repository without http://, such as " + rest + "; for plain http set PREVIEWS_INSECURE=true")
		}
		return errors.New("must be a repository without " + printable(scheme) + "://, such as " + rest)
	}
	if rest, _, found := strings.Cut(text, "@"); found && isRepository(untagged(rest)) {
		return errors.New("must be a repository without a digest, as each of its tags is a preview: " + untagged(rest))
	}
	if rest := untagged(text); rest != text && isRepository(rest) {
		return errors.New("must be a repository without a tag, as each of its tags is a preview: " + rest)
	}
	if lower := strings.ToLower(text); lower != text && isRepository(lower) {
		return errors.New("must be in lower case, as names of repositories are: " + lower)
	}
	if rest := strings.TrimRight(text, "/"); rest != text && isRepository(rest) {
		return errors.New("must be without a slash at its end: " + rest)
	}
	return nil
}

// untagged is a reference without its tag: what is behind a colon in its last part.
func untagged(reference string) string {
	last := strings.LastIndex(reference, "/") + 1
	before, _, _ := strings.Cut(reference[last:], ":")
	if last == 0 {
		return reference
	}
	return reference[:last] + before
}

// repositoryName is the name of a repository within its registry (OCI distribution specification 1.1, "Pulling manifests").
var repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// isRepository says whether s is a repository with its registry, which is never that of Docker only because none is named.
func isRepository(s string) bool {
	host, rest, _ := strings.Cut(s, "/")
	_, err := name.NewRepository(s, name.StrictValidation)
	return err == nil && s == strings.ToLower(s) && repositoryName.MatchString(rest) && isRegistry(host)
}

// registryPort is the port of a registry, with its colon.
var registryPort = regexp.MustCompile(`:[0-9]{1,5}$`)

// isRegistry says whether s is a host, IPv6 in brackets, with a port or none.
func isRegistry(s string) bool {
	host := registryPort.ReplaceAllString(s, "")
	if host != s {
		if port, err := parsePort(s[len(host)+1:]); err != nil || port == 0 {
			return false
		}
	}
	if inside, found := strings.CutPrefix(host, "["); found {
		inside, found = strings.CutSuffix(inside, "]")
		return found && strings.Contains(inside, ":") && isHost(inside)
	}
	return !strings.Contains(host, ":") && isHost(host)
}

// isImagePath says whether s is the clean path of a directory in an image, with or without the first slash and the last.
func isImagePath(s string) bool {
	full := "/" + strings.TrimPrefix(s, "/")
	return path.Clean(full) == cleanImagePath(s) && !strings.HasPrefix(full, "//") && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 && len(s) <= 4096
}

// cleanImagePath is a path of isImagePath with the first slash and without the last.
func cleanImagePath(s string) string {
	return "/" + strings.TrimSuffix(strings.TrimPrefix(s, "/"), "/")
}

// previewsConflicts lists what is wrong with the settings of previews that are each fine alone. PREVIEWS_STORE and the
// variable DIRECTORY are no matter where they are not needed, as the image sets both.
func (l *loader) previewsConflicts(complain func(format string, args ...any)) {
	c, v := &l.config, l.given["PREVIEWS"]
	if !l.fine("PREVIEWS") {
		return
	}
	if domain, given := l.given["PREVIEWS_DOMAIN"]; given && !c.HasPreviews() && l.fine("PREVIEWS_DOMAIN") {
		complain("%s: PREVIEWS is off; it must be left out, or PREVIEWS be directories or a repository", domain)
	}
	for _, variable := range []string{"PREVIEWS_PATH", "PREVIEWS_CHECK", "PREVIEWS_SIZE", "PREVIEWS_INSECURE"} {
		if v, given := l.given[variable]; given && c.PreviewsRepository() == "" && l.fine(variable) {
			complain("%s: PREVIEWS is %s; it must be left out, or PREVIEWS be a repository, such as %s", v, c.Previews, exampleRepository)
		}
	}
	if c.HasPreviews() && c.CGI && l.fine("CGI") {
		complain("%s: not possible with CGI=true; it must be off, or CGI=false", v)
	}
	if d := l.given["DIRECTORY"]; c.PreviewsRepository() != "" && d.name != "" && d.name != "DIRECTORY" && c.Command != Check {
		complain("%s: not possible with %s, whose images are what is served; it must be left out, or PREVIEWS=off", d, v)
	}
}
