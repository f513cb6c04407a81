package listing

import (
	"io"
	"sync"
)

// pieceSize is how many bytes of a page are put together before they are handed on, some more aside: a name of 255
// bytes makes a line of a few KiB at most.
const pieceSize = 32 << 10

var pieces = sync.Pool{New: func() any { b := make([]byte, 0, pieceSize+8<<10); return &b }}

// pen puts a page together and hands it on in pieces, so that a page that is sent while it is made takes no more memory
// than a piece.
type pen struct {
	to   io.Writer
	text []byte
	lent *[]byte
}

func newPen(to io.Writer) *pen {
	lent := pieces.Get().(*[]byte)
	return &pen{to, (*lent)[:0], lent}
}

func (p *pen) free() {
	*p.lent = p.text
	pieces.Put(p.lent)
}

// add adds texts to the page.
func (p *pen) add(texts ...string) {
	for _, text := range texts {
		p.text = append(p.text, text...)
	}
}

// pause is called between two entries: it hands on what there is if that is a piece.
func (p *pen) pause() error {
	if len(p.text) < pieceSize {
		return nil
	}
	return p.flush()
}

func (p *pen) flush() error {
	_, err := p.to.Write(p.text)
	p.text = p.text[:0]
	return err
}
