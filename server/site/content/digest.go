package content

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/previewd/previewd/server/site/tree"
)

// maxDigests bounds the table of digests: some 3 MiB.
const maxDigests = 16 << 10

// digests remembers the tags of contents, so that a file that is not kept in memory need not be read
// to tell that it is the same. A file in another state is another key.
type digests struct {
	mu   sync.Mutex
	tags map[version]string
	// order has the keys as a ring, the oldest at next.
	order []version
	next  int
}

// version is what of a status changes with the content.
type version struct {
	dev, ino     uint64
	size         int64
	mtime, ctime tree.Instant
}

func versionOf(st tree.Status) version { return version{st.Dev, st.Ino, st.Size, st.Mtime, st.Ctime} }

func (d *digests) get(st tree.Status) (tag string, found bool) {
	if st.Ino == 0 { // where the system has no identity another file looks the same
		return "", false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	tag, found = d.tags[versionOf(st)]
	return tag, found
}

// put remembers the tag of a file that has been unchanged for a while.
func (d *digests) put(st tree.Status, tag string) {
	if st.Ino == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tags == nil {
		d.tags = make(map[version]string)
	}
	key := versionOf(st)
	if _, found := d.tags[key]; found {
		return
	}
	if len(d.order) < maxDigests {
		d.order = append(d.order, key)
	} else {
		delete(d.tags, d.order[d.next])
		d.order[d.next] = key
		d.next = (d.next + 1) % maxDigests
	}
	d.tags[key] = tag
}

// contentTag is the tag of a content: half of its SHA-256, which is the same on every replica.
func contentTag(sum [sha256.Size]byte) string {
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}

// tagOf is the tag of content that has been read.
func (s *Store) tagOf(st tree.Status, data []byte, read time.Time) string {
	// The size is a fiction where the kernel makes the content up, as in sysfs; so are the times then.
	known := isOld(st, read) && int64(len(data)) == st.Size
	if known {
		if tag, found := s.digests.get(st); found {
			return tag
		}
	}
	tag := contentTag(sha256.Sum256(data))
	if known {
		s.digests.put(st, tag)
	}
	return tag
}

// versionTag is the tag of a file whose content is not read as a whole before it is sent: which file it is, and when
// its status changed last, of which no write leaves it as it is. It is "" where this cannot be told: the file has just
// changed, so that a further write may leave the same ctime, or the system does not say.
func versionTag(st tree.Status, now time.Time) string {
	if st.Ino == 0 || !isOld(st, now) || st.Ctime.Time().After(now) {
		return ""
	}
	hash := sha256.New()
	v := versionOf(st)
	for _, n := range []uint64{v.dev, v.ino, uint64(v.size), uint64(v.mtime.Sec), uint64(v.mtime.Nsec), uint64(v.ctime.Sec), uint64(v.ctime.Nsec)} {
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, n)) // never fails: hash.Hash
	}
	return "v-" + contentTag([sha256.Size]byte(hash.Sum(nil)))
}

// digest reads a file through for its tag, while ctx lasts.
func digest(ctx context.Context, f tree.File, size int64) (string, error) {
	hash := sha256.New()
	buf := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buf)
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.ReadAt(buf[:min(pieceSize, size-at)], at)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return "", io.ErrUnexpectedEOF
		}
		_, _ = hash.Write(buf[:n]) // never fails: hash.Hash
		at += int64(n)
	}
	return contentTag([sha256.Size]byte(hash.Sum(nil))), nil
}

// pieceSize is how many bytes of a file are read at a time for its digest.
const pieceSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// isOld says whether a file has been unchanged for so long that a further write cannot leave its status as it
// is: only then is what was read of it worth remembering.
func isOld(st tree.Status, read time.Time) bool {
	return read.Sub(st.Ctime.Time()) >= recent
}
