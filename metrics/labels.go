package metrics

import "strconv"

// The values of labels are closed sets: what a client sends never makes a new series. The last one, or
// the first in codes, is for everything else.
const other = "other"

// methods are those of RFC 9110 (section 9) and PATCH.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", other}

// protocols are the versions in use, as they stand in a request line.
var protocols = [...]string{"HTTP/1.1", "HTTP/2.0", "HTTP/1.0", "HTTP/0.9", other}

// scriptFailures are the kinds of failure of CGI scripts.
var scriptFailures = [...]string{"busy", "start", "head", "timeout", "client", "shutdown", "exit", "redirect", other}

const lowestCode, highestCode = 100, 599

// codes has the status codes from lowestCode on behind the one for everything else.
var codes = func() (codes [1 + highestCode - lowestCode + 1]string) {
	codes[0] = other
	for i := 1; i < len(codes); i++ {
		codes[i] = strconv.Itoa(lowestCode + i - 1)
	}
	return codes
}()

// methodIndex returns where a method is in methods. Methods are case-sensitive: "get" is another one.
func methodIndex(method string) int { return index(methods[:], method) }

// protocolIndex returns where a version is in protocols.
func protocolIndex(protocol string) int { return index(protocols[:], protocol) }

func index(set []string, value string) int {
	last := len(set) - 1
	for i, member := range set[:last] {
		if member == value {
			return i
		}
	}
	return last
}

// codeIndex returns where a status code is in codes.
func codeIndex(status int) int {
	if status < lowestCode || status > highestCode {
		return 0
	}
	return 1 + status - lowestCode
}
