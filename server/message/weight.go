package message

import (
	"strconv"
	"strings"
)

// Weight is the q among the parameters of a member of Accept, 1 without one, and 0 where it is no number (RFC 9110, section
// 12.4.2). One that is out of bounds is returned as it is.
func Weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// PrefersJSON says whether a client would rather have JSON than HTML: it names the one, and the other not or with less
// weight.
func PrefersJSON(fields Fields) bool {
	json := weight(fields, "application/json")
	return json > 0 && json > weight(fields, "text/html") && json > weight(fields, "application/xhtml+xml")
}

// weight is the highest that a media type has in Accept, in thousandths; 0 where it is not named.
func weight(fields Fields, media string) (most int) {
	for item := range strings.SplitSeq(strings.Join(fields.Values("Accept"), ","), ",") {
		name, parameters, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.Trim(name, " \t"), media) {
			continue
		}
		if q := Weight(parameters); q >= 0 && q <= 1 {
			most = max(most, int(q*1000))
		}
	}
	return most
}
