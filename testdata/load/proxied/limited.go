package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// slowClients ask for fast answers, and headClients for large heads.
	slowClients, headClients = 400, 200
	// tasks are as many as the chart allows.
	tasks = 64
)

// limited starts a server with little memory, and has clients hold on to what it passes on.
func limited(command []string, scratch, other string, mebibytes int) error {
	command, remove, err := subject.Limited(command, mebibytes, tasks)
	if err != nil {
		return err
	}
	defer remove()
	dir := filepath.Join(scratch, "limited")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	server, err := subject.Start(command, scratch, dir, "LOG_FORMAT=json", "PROXY=/api=http://"+other)
	if err != nil {
		return err
	}
	defer server.Kill()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var all sync.WaitGroup
	var answered, refused atomic.Int32
	hold := func(target string) {
		all.Go(func() {
			conn, err := net.Dial("tcp", server.Addr)
			if err != nil {
				refused.Add(1)
				return
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target)
			r := bufio.NewReader(conn)
			line, err := r.ReadString('\n')
			switch {
			case err != nil: // a connection too many
				refused.Add(1)
				return
			case line == "HTTP/1.1 200 OK\r\n":
				answered.Add(1)
			default:
				refused.Add(1)
			}
			for ctx.Err() == nil {
				if _, err := io.CopyN(io.Discard, r, 4<<10); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	var most int64
	look := func() {
		if n, err := server.Resident(); err == nil {
			most = max(most, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	settle := func(n int32) error {
		for end := time.Now().Add(time.Minute); answered.Load()+refused.Load() < n; look() {
			if time.Now().After(end) {
				return fmt.Errorf("%d were answered and %d refused, of %d", answered.Load(), refused.Load(), n)
			}
		}
		return nil
	}
	for range slowClients {
		hold("/api/source?n=1073741824")
	}
	if err := settle(slowClients); err != nil {
		return err
	}
	slow := answered.Load()
	for range headClients {
		hold("/api/head")
	}
	if err := settle(slowClients + headClients); err != nil {
		return err
	}
	for range 50 {
		look()
	}
	// As a browser it asks again where its connection is closed: at the limit of them, one that asks late gives way.
	text, err := get(ctx, "http://"+server.Addr+"/page.html")
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); text, err = get(ctx, "http://"+server.Addr+"/page.html") {
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	all.Wait()
	if err != nil || text != "a page" || server.Ended() {
		return fmt.Errorf("a file beside slow clients: %q, %w", text, err)
	}
	if _, err := get(context.Background(), "http://"+server.Addr+"/api/pieces?n=3"); err != nil {
		return fmt.Errorf("after slow clients: %w", err)
	}
	fmt.Printf("%d MiB: %d of %d slow clients and %d of %d with large heads were answered, at most %d MiB resident, and a file came\n",
		mebibytes, slow, slowClients, answered.Load()-slow, headClients, most>>20)
	if slow < slowClients/2 {
		return fmt.Errorf("only %d slow clients were answered", slow)
	}
	return nil
}
