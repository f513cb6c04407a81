package site

import (
	"context"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/tree"
)

// accepts returns the content codings that a client accepts, none where there is nothing to choose. A part
// of coded content is of no use beside a part of what is not coded, so ranges come without coding.
func (s *Site) accepts(r *message.Request) (accepted coding.Accepted, any bool) {
	if s.opts.Content.Compress == content.CompressOff {
		return accepted, false
	}
	if _, ranged := r.Fields.Lookup("Range"); ranged && r.Method == "GET" {
		return accepted, false
	}
	accepted = coding.Accepts(r.Fields)
	return accepted, accepted.Q(coding.Br)+accepted.Q(coding.Zstd)+accepted.Q(coding.Gzip) > 0
}

// codings returns how a file may be coded for a client that accepts some codings. st is the file's status.
func (s *Site) codings(ctx context.Context, t *tree.Tree, name string, st tree.Status, accepted coding.Accepted) content.Accepts {
	n := s.types.Of(name)
	mediaType := n.Type
	if n.Asks() {
		src, err := s.content.Get(ctx, t, name, st, content.Accepts{})
		if err != nil {
			return content.Accepts{} // what is wrong shows again
		}
		mediaType = src.Description.(*representation).mediaType
		src.Close()
	}
	if n.Coding != coding.Identity || !s.isNegotiated(mediaType) || coding.CompressedName(name) {
		return content.Accepts{}
	}
	return content.Accepts{Codings: accepted, Made: coding.Compressible(mediaType)}
}

// isNegotiated says whether answers of a media type may differ by Accept-Encoding.
func (s *Site) isNegotiated(mediaType string) bool {
	return s.opts.Content.Compress != content.CompressOff && !coding.Compressed(mediaType)
}
