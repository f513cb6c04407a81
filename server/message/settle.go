package message

import (
	"errors"
	"fmt"
	"strings"
)

// Settle makes the answer to r one that can be sent: with its error page (Complete), as 500 if it is malformed, and
// with what Finish puts on it.
func (p *Profile) Settle(r *Request, resp Response) Response {
	if problem := malformed(&resp); problem != nil {
		resp.Discard()
		resp = (&Failure{Status: 500, Cause: errors.Join(problem, resp.Err)}).Response()
	}
	resp = p.Complete(resp)
	if p.Finish != nil {
		return p.Finish(r, resp)
	}
	return resp
}

// Discard closes the body of an answer that is not sent. If that fails, the error is joined to Err.
func (r *Response) Discard() {
	if r.Body != nil {
		r.Err = errors.Join(r.Err, r.Body.Close())
		r.Body = nil
	}
}

// malformed tells what forbids to send an answer. CPython sends it (send_header: "not checked for CR/LF"),
// which splits the answer where a value comes from outside.
func malformed(resp *Response) error {
	_, isTunnel := resp.Body.(*Tunnel)
	if isTunnel != (resp.Status == 101) || !isTunnel && (resp.Status < 200 || resp.Status > 999) {
		return fmt.Errorf("the handler answered with status %d: it must be 200 to 999, or 101 with a tunnel", resp.Status)
	}
	if strings.ContainsAny(resp.Reason, "\r\n\x00") {
		return fmt.Errorf("CR, LF or NUL in the reason phrase %q", resp.Reason)
	}
	for _, f := range resp.Fields {
		if !isFieldName(f.Name) || strings.IndexByte(f.Value, '\n') >= 0 || strings.IndexByte(f.Value, '\r') >= 0 ||
			strings.IndexByte(f.Value, 0) >= 0 {
			return fmt.Errorf("bad name, or CR, LF or NUL, in the field %q: %q", f.Name, f.Value)
		}
	}
	return nil
}

func isFieldName(name string) bool {
	for i := 0; i < len(name); i++ {
		if !isToken[name[i]] {
			return false
		}
	}
	return name != ""
}

// IsToken says whether a byte is a character of a token (RFC 9110, section 5.6.2).
func IsToken(c byte) bool { return isToken[c] }

var isToken = func() (table [256]bool) {
	for c := '0'; c <= '9'; c++ {
		table[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		table[c], table[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		table[c] = true
	}
	return table
}()
