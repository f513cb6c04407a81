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
