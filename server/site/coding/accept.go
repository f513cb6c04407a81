package coding

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Accepted is what a request accepts: the weight of each coding.
type Accepted struct {
	q [count]int16 // in thousandths
}

// unlisted is the weight in thousandths of an identity that Accept-Encoding does not speak of. It is then
// acceptable (RFC 9110, section 12.5.3), but who names a coding wants that one.
const unlisted = 1

// Accepts reads Accept-Encoding (section 12.5.3). All its lines count; without one, and where it is empty,
// only Identity is acceptable. A member that is malformed is ignored; of two for one coding the higher
// weight counts. It allocates nothing.
func Accepts(f message.Fields) Accepted {
	const name = "Accept-Encoding"
	weights := [count]int16{-1, -1, -1, -1}
	others := int16(-1) // the weight of "*"
	for i := range f {
		if len(f[i].Name) != len(name) || !strings.EqualFold(f[i].Name, name) {
			continue
		}
		for rest, more := f[i].Value, true; more; {
			var member string
			member, rest, more = strings.Cut(rest, ",")
			q, ok := int16(0), false
			if member, q, ok = cutWeight(trim(member)); !ok {
				continue
			}
			if member == "*" {
				others = max(others, q)
			} else if c, known := parse(member); known {
				weights[c] = max(weights[c], q)
			}
		}
	}
	for c := range weights {
		switch {
		case weights[c] >= 0:
		case others >= 0:
			weights[c] = others
		case Coding(c) == Identity:
			weights[c] = unlisted
		default:
			weights[c] = 0
		}
	}
	return Accepted{weights}
}

// Q returns the weight of a coding in thousandths, 0 if it is not acceptable.
func (a Accepted) Q(c Coding) int { return int(a.q[c]) }

// Prefers says whether content in a coding is welcome, and no less than without.
func (a Accepted) Prefers(c Coding) bool { return a.q[c] > 0 && a.q[c] >= a.q[Identity] }

// parse returns the coding of that name. x-gzip is gzip (section 8.4.1.3).
func parse(name string) (c Coding, known bool) {
	switch len(name) {
	case len("br"):
		return Br, strings.EqualFold(name, "br")
	case len("gzip"): // and zstd
		if strings.EqualFold(name, "gzip") {
			return Gzip, true
		}
		return Zstd, strings.EqualFold(name, "zstd")
	case len("x-gzip"):
		return Gzip, strings.EqualFold(name, "x-gzip")
	case len("identity"):
		return Identity, strings.EqualFold(name, "identity")
	}
	return 0, false
}

// cutWeight splits a weight off a member of the list: codings [ OWS ";" OWS "q=" qvalue ].
func cutWeight(member string) (name string, q int16, ok bool) {
	name, weight, found := strings.Cut(member, ";")
	if !found {
		return name, 1000, true
	}
	weight = trim(weight)
	if len(weight) < 3 || weight[0]|0x20 != 'q' || weight[1] != '=' {
		return "", 0, false
	}
	q, ok = parseWeight(weight[2:])
	return trim(name), q, ok
}

// parseWeight reads a qvalue in thousandths: 0 to 1 with up to three decimals (section 12.4.2).
func parseWeight(s string) (q int16, ok bool) {
	const maxLen = len("0.000")
	if len(s) == 0 || len(s) > maxLen || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	q = 1000 * int16(s[0]-'0')
	for i, scale := 2, int16(100); i < len(s); i, scale = i+1, scale/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		q += scale * int16(s[i]-'0')
	}
	return q, q <= 1000
}

// trim cuts optional whitespace (section 5.6.3) off both ends, faster than strings.Trim.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
