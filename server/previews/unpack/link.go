package unpack

import (
	"path"
	"strings"
)

// linkTarget is what a symbolic link at a name below the site has to say there. An absolute target is read from the image's
// root, and any that passes through what is outside the site is written anew, by its letters, not by what is there. ok is
// false where it leaves the site. ways are the names that lead to the site in the image.
//
// What is written has ".." only in front: behind a name that is a link itself, such as one to ".", it would lead out of the site, whatever
// is counted here. So it holds also where the server follows links to everywhere.
func linkTarget(name, target, sitePath string, ways []string) (written string, ok bool) {
	above, _ := cutLast(name)
	if !path.IsAbs(target) && staysBelow(above, target) {
		return path.Clean(target), true
	}
	full := path.Clean(target)
	if !path.IsAbs(target) {
		full = path.Join("/"+join(sitePath, above), target)
	}
	full = strings.TrimPrefix(full, "/")
	for _, way := range ways {
		if full == way {
			return relative(above, ""), true
		}
		if rest, is := below(full, way); is {
			return relative(above, rest), true
		}
	}
	return "", false
}

// staysBelow says whether a relative target, followed component by component from a directory of the site, is never above the
// site.
func staysBelow(directory, target string) bool {
	depth := len(split(directory))
	for _, component := range split(target) {
		if component != ".." {
			depth++
			continue
		}
		if depth--; depth < 0 {
			return false
		}
	}
	return true
}

// relative is the way from one directory of the site to a name in it.
func relative(from, to string) string {
	a, b := split(from), split(to)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	up := strings.Repeat("../", len(a)) + strings.Join(b, "/")
	if up == "" {
		return "."
	}
	return strings.TrimSuffix(up, "/")
}
