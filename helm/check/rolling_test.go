package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/docker"
)

// balancer passes connections on to those of its backends that are ready, in turn, as a Service does.
type balancer struct {
	listener net.Listener
	mutex    sync.Mutex
	backends map[*running]bool // is it ready
	next     int
	order    []*running
}

func (b *balancer) add(r *running) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.backends[r] = false
	b.order = append(b.order, r)
}

// remove takes a pod that is being deleted off the list, as its endpoint is, a second later than its end is called for.
func (b *balancer) remove(r *running) {
	time.AfterFunc(time.Second, func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		delete(b.backends, r)
		b.order = slices.DeleteFunc(b.order, func(other *running) bool { return other == r })
	})
}

// follow asks for the readiness of all backends, until ctx ends.
func (b *balancer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		b.mutex.Lock()
		all := append([]*running(nil), b.order...)
		b.mutex.Unlock()
		for _, r := range all {
			ready := r.probe(r.server.ReadinessProbe) == nil
			b.mutex.Lock()
			if _, there := b.backends[r]; there {
				b.backends[r] = ready
			}
			b.mutex.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (b *balancer) ready(r *running) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.backends[r] {
		return errors.New("it is not")
	}
	return nil
}

func (b *balancer) pick() *running {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for range b.order {
		b.next = (b.next + 1) % len(b.order)
		if r := b.order[b.next]; b.backends[r] {
			return r
		}
	}
	return nil
}

func (b *balancer) serve() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.pass(conn)
	}
}

// pass splices a connection with one to a backend; without one the client finds it closed.
func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	r := b.pick()
	if r == nil {
		return
	}
	backend, err := net.DialTimeout("tcp", r.port("http"), 5*time.Second)
	if err != nil {
		return
	}
	defer backend.Close()
	go func() {
		_, _ = io.Copy(backend, client)
		_ = backend.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, backend)
}

// visit asks again and again for the page by connections that are kept, and counts; it never asks twice for
// the same answer, so that a request that is lost is seen. Between two requests it rests for a while.
func visit(address, want string, rest time.Duration, stop <-chan struct{}, whole *atomic.Int64) error {
	var conn net.Conn
	var reader *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(rest):
		}
		if conn == nil {
			var err error
			if conn, err = net.DialTimeout("tcp", address, 5*time.Second); err != nil {
				return err
			}
			reader = bufio.NewReader(conn)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: demo-previewd\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(content) != want {
			return fmt.Errorf("%s, %d bytes, %v", resp.Status, len(content), err)
		}
		whole.Add(1)
		if resp.Close {
			conn.Close()
			conn = nil
		}
	}
}

// TestDockerRollingReplacement: two pods are replaced one after the other, as a Deployment does it with
// maxUnavailable 0, behind a balancer that follows readiness, under load: no request is lost.
func TestDockerRollingReplacement(t *testing.T) {
	o := renderForDocker(t, set(served, "replicaCount=2")...)
	page := strings.Repeat("0123456789abcdef", 256)
	dir := folder(t)
	publish(t, dir, map[string]string{"page": page})
	volumes := map[string]string{"content": dir}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b := &balancer{listener: listener, backends: map[*running]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	old := []*running{serving(t, o, volumes), serving(t, o, volumes)}
	for _, r := range old {
		b.add(r)
	}
	go b.follow(ctx)
	go b.serve()
	for _, r := range old {
		docker.Await(t, time.Minute, "the balancer knows the pods", func() error { return b.ready(r) })
	}

	var group sync.WaitGroup
	var whole atomic.Int64
	stop := make(chan struct{})
	lost := make(chan error, 16)
	for i := range 16 {
		group.Go(func() {
			if err := visit(listener.Addr().String(), page, time.Duration(i+1)*5*time.Millisecond, stop, &whole); err != nil {
				lost <- err
			}
		})
	}
	for _, r := range old {
		fresh := serving(t, o, volumes)
		b.add(fresh)
		docker.Await(t, time.Minute, "the new pod is ready", func() error { return b.ready(fresh) })
		b.remove(r)
		t.Logf("a pod ended in %v, after %d answers", r.stop(t).Round(time.Millisecond), whole.Load())
	}
	n := whole.Load()
	docker.Await(t, time.Minute, "answers of the new pods", func() error {
		if whole.Load() < n+200 {
			return fmt.Errorf("%d", whole.Load()-n)
		}
		return nil
	})
	close(stop)
	group.Wait()
	close(lost)
	for err := range lost {
		t.Errorf("a request was lost: %v", err)
	}
	t.Logf("%d answers, all whole", whole.Load())
}
