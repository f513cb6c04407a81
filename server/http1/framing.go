package http1

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// chunkedLength stands for the length of content in chunked transfer coding.
const chunkedLength = -1

// framing tells the length of a request's content in bytes from its fields, chunkedLength where chunks
// delimit it (RFC 9112, section 6.3). What could be read in two ways is refused, as it is how requests
// are smuggled (section 11.2).
func framing(v message.Version, fields message.Fields) (length int64, failure *message.Failure) {
	var coding, size string
	var codings, sizes, hosts int
	for _, f := range fields {
		switch {
		case len(f.Name) == len("Host") && strings.EqualFold(f.Name, "Host"):
			hosts++
		case len(f.Name) == len("Content-Length") && strings.EqualFold(f.Name, "Content-Length"):
			size = f.Value
			sizes++
		case len(f.Name) == len("Transfer-Encoding") && strings.EqualFold(f.Name, "Transfer-Encoding"):
			coding = f.Value
			codings++
		}
	}
	switch {
	case hosts > 1:
		return 0, badRequest("More than one Host field")
	case sizes > 1:
		return 0, badRequest("More than one Content-Length field")
	case codings > 1:
		return 0, badRequest("More than one Transfer-Encoding field")
	case codings == 1 && sizes == 1:
		return 0, badRequest("Transfer-Encoding with Content-Length")
	case codings == 1 && !v.AtLeast(1, 1):
		return 0, badRequest("Transfer-Encoding in an " + v.String() + " request")
	case codings == 1:
		return chunkedLength, checkCoding(coding)
	case sizes == 1:
		return parseContentLength(size)
	}
	return 0, nil
}

// checkCoding accepts chunked alone. Section 6.1: "A server that receives a request message with a
// transfer coding it does not understand SHOULD respond with 501 (Not Implemented)"; section 6.3: where
// chunked is not the final one the length cannot be determined, "the server MUST respond with [...] 400".
func checkCoding(value string) *message.Failure {
	list := strings.Split(value, ",")
	for i := range list {
		list[i] = strings.ToLower(strings.Trim(list[i], " \t"))
	}
	last := len(list) - 1
	if list[last] != "chunked" {
		return badRequest("Transfer-Encoding does not end in chunked")
	}
	for _, coding := range list[:last] {
		if coding == "chunked" || coding == "" {
			return badRequest("Bad Transfer-Encoding")
		}
	}
	if last > 0 {
		return &message.Failure{Status: 501, Message: "Unsupported transfer coding (" +
			message.Repr(message.Latin1(list[0])) + ")"}
	}
	return nil
}

// parseContentLength reads 1*DIGIT up to 2^63-1 (RFC 9110, section 8.6). A list is refused even if its
// members are equal.
func parseContentLength(value string) (int64, *message.Failure) {
	var n uint64
	for i := 0; i < len(value); i++ {
		c := value[i]
		// 18 digits cannot overflow; the 19th is checked against 2^63-1 afterwards.
		if c < '0' || c > '9' || n > (1<<63-1)/10 {
			return 0, badRequest("Bad Content-Length")
		}
		n = n*10 + uint64(c-'0')
	}
	if value == "" || n > 1<<63-1 {
		return 0, badRequest("Bad Content-Length")
	}
	return int64(n), nil
}
