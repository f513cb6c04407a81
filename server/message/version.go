package message

import "strconv"

// Version is the version of the protocol as two integers: HTTP/1.1 is {1, 1} (RFC 9110, section 2.5).
// Each has at most ten digits, as in parse_request.
type Version struct{ Major, Minor int64 }

// AtLeast says whether v is major.minor or newer, compared as integers as parse_request does.
func (v Version) AtLeast(major, minor int64) bool {
	if v.Major != major {
		return v.Major > major
	}
	return v.Minor >= minor
}

// String is the version as it stands in a request line, "HTTP/1.1".
func (v Version) String() string {
	return "HTTP/" + strconv.FormatInt(v.Major, 10) + "." + strconv.FormatInt(v.Minor, 10)
}
