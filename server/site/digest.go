package site

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"sync"
	"time"
)

// maxDigests bounds the table of digests: some 3 MiB.
const maxDigests = 16 << 10

// digests remembers the entity-tags of contents, so that a file that is not kept in memory need not be read
// to tell that it is the same. A file in another state is another key.
type digests struct {
	mu    sync.Mutex
	etags map[state]string
	// order has the keys as a ring, the oldest at next.
	order []state
	next  int
}

// state is what of a status changes with the content.
type state struct {
	dev, ino     uint64
	size         int64
	mtime, ctime instant
}

func (st status) state() state { return state{st.dev, st.ino, st.size, st.mtime, st.ctime} }

func (d *digests) get(st status) (etag string, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	etag, found = d.etags[st.state()]
	return etag, found
}

// put remembers the entity-tag of a file that has been at rest.
func (d *digests) put(st status, etag string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.etags == nil {
		d.etags = make(map[state]string)
	}
	key := st.state()
	if _, found := d.etags[key]; found {
		return
	}
	if len(d.order) < maxDigests {
		d.order = append(d.order, key)
	} else {
		delete(d.etags, d.order[d.next])
		d.order[d.next] = key
		d.next = (d.next + 1) % maxDigests
	}
	d.etags[key] = etag
}

// contentETag is the strong entity-tag of a content: half of its SHA-256, which is the same on every replica.
func contentETag(sum [sha256.Size]byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2]) + `"`
}

// codedETag is the entity-tag of the same content in a coding that the server made: another representation
// has another (RFC 9110, section 8.8.3.3).
func codedETag(etag, coding string) string { return etag[:len(etag)-1] + "-" + coding + `"` }

// digest reads a file through for its entity-tag.
func digest(f file, size int64) (string, error) {
	hash := sha256.New()
	buf := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buf)
	for at := int64(0); at < size; {
		n, err := f.readAt(buf[:min(pieceSize, size-at)], at)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return "", io.ErrUnexpectedEOF
		}
		_, _ = hash.Write(buf[:n]) // never fails: hash.Hash
		at += int64(n)
	}
	return contentETag([sha256.Size]byte(hash.Sum(nil))), nil
}

// pieceSize is how many bytes of a file are read at a time for its digest.
const pieceSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// isOld says whether a file has been at rest for so long that a further write cannot leave its status as it
// is: only then is what was read of it worth remembering.
func isOld(st status, read time.Time) bool {
	return read.Sub(st.ctime.time()) >= recent
}
