package secure

import "crypto/tls"

// recordHead is the length of what comes before the content of a record: its type, a version, and the length of
// the content in the last two bytes (RFC 8446, section 5.1).
const recordHead = 5

// records follows the records of TLS in a stream of bytes. The zero value is at the beginning of one.
type records struct {
	head [recordHead]byte
	have int  // bytes of head that have come
	left int  // bytes of the record that are still to come behind its head
	last byte // of the content that has come
}

// endWith steps over p and says whether it ends where a record ends.
func (r *records) endWith(p []byte) bool {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			r.left, r.last = r.left-n, p[n-1]
			p = p[n:]
			continue
		}
		n := copy(r.head[r.have:], p)
		r.have += n
		p = p[n:]
		if r.have == recordHead {
			r.left, r.have = int(r.head[3])<<8|int(r.head[4]), 0
		}
	}
	return r.have == 0 && r.left == 0
}

// clearAlert is the head of a record with an alert that is not encrypted: two bytes, its level and what it says
// (RFC 8446, section 6).
var clearAlert = [recordHead]byte{21, 3, 3, 0, 2}

// alert returns what the last record says if it is an alert that is not encrypted.
func (r *records) alert() (says tls.AlertError, found bool) {
	return tls.AlertError(r.last), r.head == clearAlert && r.have == 0 && r.left == 0
}
