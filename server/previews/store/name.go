package store

import (
	"fmt"
	"strings"
)

// The names in the directory.
const (
	lockFile         = "lock"
	layoutFile       = "layout"
	tagsFile         = "tags.json"
	blobsDirectory   = "blobs"
	buildsDirectory  = "builds"
	stagingDirectory = "staging"

	// In the directory of a build:
	siteDirectory = "site"
	markerFile    = "build.json"
)

// ours are all names in the directory.
var ours = [...]string{lockFile, layoutFile, tagsFile, blobsDirectory, buildsDirectory, stagingDirectory}

// algorithms are those of digests, with the number of hexadecimal digits (OCI image specification, "Registered Algorithms").
var algorithms = [...]struct {
	name   string
	digits int
}{{"sha256", 64}, {"sha512", 128}}

// fileName returns the name of what a digest (sha256:<hex>) identifies in one of the directories. Digests come from outside: one
// that is not of a known form is refused.
func fileName(directory, digest string) (string, error) {
	name, hex, _ := strings.Cut(digest, ":")
	for _, a := range algorithms {
		if name == a.name && len(hex) == a.digits && strings.Trim(hex, "0123456789abcdef") == "" {
			return directory + "/" + name + "-" + hex, nil
		}
	}
	return "", fmt.Errorf("%.150q is no digest, such as sha256: and 64 hexadecimal digits", digest)
}

// digest is what fileName made a name in a directory from, "" if it did not.
func digest(directory, name string) string {
	algorithm, hex, _ := strings.Cut(name, "-")
	digest := algorithm + ":" + hex
	if again, err := fileName(directory, digest); err != nil || again != directory+"/"+name {
		return ""
	}
	return digest
}

func isBuild(name string) bool { return strings.HasPrefix(name, buildsDirectory+"/") }

// dated returns the file whose time of modification is when an entry was used last.
func dated(name string) string {
	if isBuild(name) {
		return name + "/" + markerFile
	}
	return name
}
