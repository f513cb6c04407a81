package message

import "strings"

// SplitHost splits uri-host [ ":" port ] (RFC 9110, section 7.2), an IPv6 address without its brackets. A name is not looked
// at, a port is digits or empty.
func SplitHost(host string) (name, port string, ok bool) {
	if rest, bracket := strings.CutPrefix(host, "["); bracket {
		address, end, closed := strings.Cut(rest, "]")
		if !closed || end != "" && end[0] != ':' || !strings.Contains(address, ":") {
			return "", "", false
		}
		_, port, ok = SplitHost("v6" + end)
		return address, port, ok
	}
	name, port, _ = strings.Cut(host, ":")
	return name, port, name != "" && strings.Trim(port, "0123456789") == ""
}
