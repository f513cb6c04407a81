package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
)

// Layer is a blob of an image.
type Layer struct {
	Digest string // of the bytes that the registry has
	Size   int64  // of these bytes
	// DiffID is the digest of the archive without its compression, "" in an artifact.
	DiffID string
	// The rest is of artifacts: the name of the file, whether it is a directory as an archive, and the digest of that archive
	// without its compression.
	Title         string
	Unpack        bool
	ContentDigest string
}

// Layer fetches a layer. What is read is exactly as long as the layer says and has its digest, or Read ends with an error and
// not with io.EOF. There is no time within which it has to end; a minute without a byte ends it. The caller closes it.
func (c *Client) Layer(ctx context.Context, l Layer) (io.ReadCloser, error) {
	ref, what, err := c.reference(l.Digest)
	if err != nil {
		return nil, err
	}
	var content io.ReadCloser
	err = c.do(ctx, what, func(s *session) error {
		content, err = fetch(ctx, s, c.repository.Digest(ref.Identifier()), l.Size)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		// The tag is there, and so is the image.
		return nil, &failure{what, "the registry lacks this layer", nil}
	}
	if err != nil {
		return nil, err
	}
	return &layerReader{ReadCloser: content, explain: func(err error) error { return c.explain(what, err) }}, nil
}

// fetch begins to read a blob of a known size. The library verifies the digest at the end.
func fetch(ctx context.Context, s *session, ref name.Digest, size int64) (io.ReadCloser, error) {
	layer, err := s.puller.Layer(ctx, ref)
	if err != nil {
		return nil, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	return &sized{inner: content, size: size}, nil
}

// sized is content that has to be of a size.
type sized struct {
	inner     io.ReadCloser
	size, got int64
	err       error // that every Read returns from now on
}

func (s *sized) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.inner.Read(p)
	s.got += int64(n)
	switch {
	case s.got > s.size:
		n, err = 0, fmt.Errorf("is longer than the %d bytes that the manifest says", s.size)
	case err == io.EOF && s.got < s.size:
		err = fmt.Errorf("has %d of the %d bytes that the manifest says", s.got, s.size)
	}
	s.err = err
	return n, err
}

func (s *sized) Close() error { return s.inner.Close() }

// layerReader is the content of a layer, whose errors say which one it is.
type layerReader struct {
	io.ReadCloser
	explain func(error) error
}

func (r *layerReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = r.explain(err)
	}
	return n, err
}
