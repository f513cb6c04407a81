package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ociregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sync/errgroup"
)

// registry is one with its images in memory.
type registry struct {
	repository string
	server     *http.Server
	ended      chan error
}

func startRegistry() (*registry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &registry{
		repository: listener.Addr().String() + "/team/app",
		server:     &http.Server{Handler: ociregistry.New(ociregistry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute},
		ended:      make(chan error, 1),
	}
	go func() { r.ended <- r.server.Serve(listener) }()
	return r, nil
}

func (r *registry) stop() {
	_ = r.server.Close()
	<-r.ended
}

// pushers is how many images are pushed at once.
const pushers = 8

// push pushes so many tags: a page for each, upon the same 40 files.
func (r *registry) push(tags int) error {
	common := map[string]string{}
	for i := range 40 {
		common[fmt.Sprintf("assets/%d.js", i)] = fmt.Sprintf("// %d\n%01000d\n", i, i)
	}
	base, err := layer(common)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for p := range pushers {
		all.Go(func() error {
			for i := p; i < tags; i += pushers {
				if err := r.pushOne(base, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func (r *registry) pushOne(base v1.Layer, i int) error {
	own, err := layer(map[string]string{"index.html": page(i)})
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, base, own)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(r.repository+":"+tagName(i), name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(tag, image)
}

// layer is one with these files.
func layer(files map[string]string) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1.6e9, 0)}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
}
