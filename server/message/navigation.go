package message

import "strings"

// IsNavigation says whether a browser asks for a page: by its Fetch metadata, or where it sends none by naming text/html.
func IsNavigation(fields Fields) bool {
	if mode, sent := fields.Lookup("Sec-Fetch-Mode"); sent {
		return mode == "navigate"
	}
	return Accepts(fields, "text/html")
}

// Accepts says whether one of the ranges is in Accept as it is, with a weight that is not zero.
func Accepts(fields Fields, ranges ...string) bool {
	for item := range strings.SplitSeq(strings.Join(fields.Values("Accept"), ","), ",") {
		media, parameters, _ := strings.Cut(item, ";")
		for _, wanted := range ranges {
			if strings.EqualFold(strings.Trim(media, " \t"), wanted) && !weighsNothing(parameters) {
				return true
			}
		}
	}
	return false
}

func weighsNothing(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if strings.EqualFold(name, "q") && strings.Trim(value, "0.") == "" {
			return true
		}
	}
	return false
}
