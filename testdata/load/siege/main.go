// Siege does to a server at once what has been known to bring servers down, while other clients use it as people do: with a
// memory control group, a limit on tasks and an unprivileged user. The server has to live, each answer has to be right
// and whole or say that it is not, and afterwards all is as before. An answer may break off only while this program itself does
// not run, as its clients then read nothing. It needs root, setpriv, and a control group file system.
//
//	go run ./testdata/load/siege [-memory 64] [-tasks 64] [-t 10m] [-only "half a head" -n 1000] BINARY
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// user is the user and group that the server runs as.
const user = "65534"

// patience is how long a client waits for an answer: as long as a busy machine may take.
const patience = time.Minute

type options struct {
	mebibytes, tasks int
	duration         time.Duration
	only             string
	connections      int
}

func main() {
	var o options
	flag.IntVar(&o.mebibytes, "memory", 64, "limit of the memory control group, in MiB")
	flag.IntVar(&o.tasks, "tasks", 64, "limit on threads and processes")
	flag.DurationVar(&o.duration, "t", 10*time.Minute, "how long it takes")
	flag.StringVar(&o.only, "only", "", "the attack that is made, alone; empty = all at once")
	flag.IntVar(&o.connections, "n", 0, "connections of an attack that is made alone; 0 = as many as in all")
	flag.Parse()
	if err := o.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "siege:", err)
		os.Exit(1)
	}
}

func (o options) run(command []string) error {
	if err := subject.RaiseDescriptors(10_000); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "siege-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	s, err := newSite(scratch)
	if err != nil {
		return err
	}
	port, err := subject.FreePort()
	if err != nil {
		return err
	}
	other := startOther(s.large)
	defer other.Close()
	command = append([]string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups"}, command...)
	command, remove, err := subject.Limited(command, o.mebibytes, o.tasks)
	if err != nil {
		return err
	}
	defer remove()
	server, err := subject.Start(command, s.directory, scratch, "LOG_FORMAT=json", "CGI=true", "RELOAD=true",
		"PROXY=/api="+other.URL, "PROXY_TIMEOUT=20s", "TLS_CERT="+s.certificate, "TLS_PORT="+port)
	if err != nil {
		return err
	}
	defer server.Kill()
	s.plain, s.secure, s.admin = server.Addr, "127.0.0.1:"+port, server.Admin

	changing, settle := context.WithCancel(context.Background())
	var changes sync.WaitGroup
	defer changes.Wait()
	defer settle()
	changes.Go(func() { s.keepChanging(changing) })
	ctx, end := context.WithTimeout(context.Background(), o.duration)
	defer end()
	var all sync.WaitGroup
	var p pulse
	changes.Go(func() { p.keepBeating(changing) }) // beyond the end of the clients
	attackers, err := o.choose(s.attackers())
	if err != nil {
		return err
	}
	for _, a := range attackers {
		for range a.connections {
			all.Go(func() { a.keepAttacking(ctx) })
		}
	}
	clients := s.clients()
	for _, c := range clients {
		for range c.workers {
			all.Go(func() { c.keepAsking(ctx) })
		}
	}
	highest := watch(ctx, server)
	all.Wait()
	for _, a := range attackers {
		fmt.Printf("attack  %-24s %6d connections, %d at a time\n", a.name, a.opened.Load(), a.connections)
	}
	var problems []error
	for _, c := range clients {
		fmt.Println(c.report())
		problems = append(problems, c.problem(&p))
	}
	if stops, longest := p.report(); stops > 0 {
		fmt.Printf("this program did not run %d times, for %v at the most: what broke off meanwhile is not counted\n", stops, longest.Round(time.Millisecond))
	}
	peak, _ := subject.Status(server.ID(), "VmHWM")
	fmt.Printf("resident %d KiB at the most, budget %.1f MiB, %.0f connections\n", peak, highest["previewd_memory_budget_used_bytes"]/(1<<20), highest["previewd_connections"])
	if server.Ended() {
		text, _ := os.ReadFile(server.Output)
		return fmt.Errorf("the server has ended: %s", text[max(0, len(text)-2000):])
	}
	problems = append(problems, s.afterwards(server))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return server.Stop()
}

// choose returns the attacks that are made.
func (o options) choose(all []*attacker) ([]*attacker, error) {
	if o.only == "" {
		return all, nil
	}
	for _, a := range all {
		if a.name == o.only {
			a.connections = cmp.Or(o.connections, a.connections)
			return []*attacker{a}, nil
		}
	}
	return nil, fmt.Errorf("there is no attack called %q", o.only)
}

// watch returns the highest values that some metrics have had until ctx ends.
func watch(ctx context.Context, server *subject.Server) map[string]float64 {
	highest := map[string]float64{"previewd_memory_budget_used_bytes": 0, "previewd_connections": 0}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		for name, value := range highest {
			if now, err := server.Metric(name); err == nil && now > value {
				highest[name] = now
			}
		}
	}
	return highest
}

// afterwards wants all kinds of answers soon, and nothing left of the siege.
func (s *site) afterwards(server *subject.Server) error {
	const soon = 15 * time.Second
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	var used float64
	for {
		var err error
		if used, err = server.Metric("previewd_memory_budget_used_bytes"); err == nil && used == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%.0f bytes of the budget are held %v afterwards: %v", used, patience, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	var problems []error
	for _, c := range s.clients() {
		start := time.Now()
		refused, err := c.ask(ctx)
		if took := time.Since(start); err == nil && (refused || took > soon) {
			err = fmt.Errorf("refused %v, after %v", refused, took)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s, afterwards: %w", c.name, err))
		}
	}
	text, err := os.ReadFile(server.Output)
	if strings.Contains(string(text), "panic") {
		err = errors.New("the log tells of a panic")
	}
	return errors.Join(append(problems, err)...)
}

// startOther starts the server that the server asks in its turn: what is large comes at once, and silence lasts.
func startOther(large []byte) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "silence") {
			<-r.Context().Done()
			return
		}
		// An error means that nobody wants it any more.
		_, _ = w.Write(large[:300_000])
	}))
}

// changePause is how often a file changes of which those are told who listen.
const changePause = 500 * time.Millisecond

// keepChanging changes a file until ctx ends.
func (s *site) keepChanging(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		// It is read again and again: an error would show there.
		_ = os.WriteFile(filepath.Join(s.directory, "changing/now.txt"), fmt.Appendf(nil, "%d\n", i), 0o644)
		select {
		case <-ctx.Done():
		case <-time.After(changePause):
		}
	}
}

// site is what is served, and where.
type site struct {
	directory, certificate string
	plain, secure, admin   string
	large, text, html      []byte
	names                  int
}

// newSite makes a site with a bit of everything.
func newSite(scratch string) (*site, error) {
	s := &site{directory: filepath.Join(scratch, "site"), certificate: filepath.Join(scratch, "tls.pem"), names: 20_000}
	s.large = make([]byte, 10<<20)
	for i := range s.large {
		s.large[i] = byte(i * i >> 7)
	}
	s.text = []byte(strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 60_000))
	s.html = slices.Concat([]byte("<!DOCTYPE html>\n"), s.text[:900_000])
	certificate, _, err := subject.Certificate(1)
	script := "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n"
	largeScript := "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; exec head -c 300000 /dev/zero\n"
	many := filepath.Join(s.directory, "many")
	err = errors.Join(err, os.Chmod(scratch, 0o755), os.MkdirAll(many, 0o755), os.Mkdir(filepath.Join(s.directory, "cgi-bin"), 0o755),
		os.WriteFile(s.certificate, certificate, 0o644),
		os.WriteFile(filepath.Join(s.directory, "index.html"), []byte(page), 0o644),
		os.WriteFile(filepath.Join(s.directory, "large.bin"), s.large, 0o644),
		os.WriteFile(filepath.Join(s.directory, "text.txt"), s.text, 0o644),
		os.WriteFile(filepath.Join(s.directory, "large.html"), s.html, 0o644),
		os.WriteFile(filepath.Join(s.directory, "kept.bin"), s.large[:1_000_000], 0o644),
		os.Mkdir(filepath.Join(s.directory, "docs"), 0o755), os.Mkdir(filepath.Join(s.directory, "changing"), 0o755),
		os.WriteFile(filepath.Join(s.directory, "cgi-bin/hello"), []byte(script), 0o755),
		os.WriteFile(filepath.Join(s.directory, "cgi-bin/large"), []byte(largeScript), 0o755))
	for i := range docs {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.directory, fmt.Sprintf("docs/doc-%d.txt", i)), s.text[:docSize], 0o644))
	}
	for i := range s.names {
		err = errors.Join(err, os.WriteFile(filepath.Join(many, fmt.Sprintf("file-%06d.txt", i)), nil, 0o644))
	}
	for i := range styles {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.directory, fmt.Sprintf("style-%d.css", i)), s.text[:200_000+i], 0o644))
	}
	return s, err
}

const (
	page = "<p>hello\n"
	// styles is how many style sheets there are: more than the cache takes.
	styles = 100
	// docs is how many files are in an archive, and docSize the length of each.
	docs, docSize = 50, 30_000
)
