package content

import (
	"io"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
)

// Look returns what a content begins with, decoded, and whether that is all of it. c is a coding that the file has by
// its own name. It is all of what is in memory and has no coding, and else limit bytes at most.
type Look func(c coding.Coding, limit int) (first []byte, whole bool)

// look takes two codings off: that of a precompressed file beside it, and that of the file by its name.
func (s *Store) look(body message.Body, packed, named coding.Coding, limit int) ([]byte, bool) {
	first, whole := beginning(body, limit)
	for _, c := range []coding.Coding{packed, named} {
		if c != coding.Identity {
			// One at a time, as a decoder may need as many bytes as an encoder looked back.
			s.looking.Lock()
			var all bool
			first, all = coding.Begin(c, first, limit)
			s.looking.Unlock()
			whole = whole && all
		}
	}
	return first, whole
}

// beginning returns what a content begins with, and whether that is all.
func beginning(body message.Body, limit int) (first []byte, whole bool) {
	if data, inMemory := message.InMemory(body); inMemory {
		return data, true
	}
	section, isFile := body.(*message.FileSection)
	if !isFile {
		return nil, false
	}
	first = make([]byte, min(int64(limit), section.Length))
	n, err := section.File.ReadAt(first, section.Offset)
	return first[:n], int64(n) == section.Length && (err == nil || err == io.EOF)
}
