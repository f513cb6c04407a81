// Package chromium drives a headless Chromium for tests, by the DevTools protocol over a pipe: commands and events are
// JSON objects that end in NUL (--remote-debugging-pipe), so no port is opened and no library is needed.
package chromium

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// limit is how long anything may take that a test waits for: longer than on the slowest machine.
const limit = 30 * time.Second

// ErrAbsent says that there is no Chromium.
var ErrAbsent = errors.New("there is no Chromium: install it, or name it in CHROMIUM")

// Browser is a running Chromium.
type Browser struct {
	process  *subject.Process
	commands *os.File

	mu      sync.Mutex // held for writing commands and for everything below, the fields of pages too
	id      int        // of the last command
	waiting map[int]chan reply
	pages   map[string]*Page // by session: that of the page, and those of its workers
	end     error            // why there is nothing more to be read
}

// reply is what the browser says to a command.
type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// Start starts the Chromium that CHROMIUM names, or else the one in PATH. Its profile and its log are in scratch, a
// directory that the caller removes. Only this machine's names and addresses are found, so that a page that asks for
// something from elsewhere gets the same answer everywhere. arguments are further options of its command line.
func Start(scratch string, arguments ...string) (*Browser, error) {
	name := os.Getenv("CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	log, err := os.Create(filepath.Join(scratch, "chromium.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	theirCommands, commands, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirCommands.Close()
	events, theirEvents, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirEvents.Close()

	run := exec.Command(path, append([]string{"--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--window-size=1000,1000", "--user-data-dir=" + filepath.Join(scratch, "profile"),
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost"}, arguments...)...)
	run.Stdout, run.Stderr = log, log
	run.ExtraFiles = []*os.File{theirCommands, theirEvents} // 3 and 4
	process, err := subject.Run(run)
	if err != nil {
		return nil, err
	}
	b := &Browser{process: process, commands: commands, waiting: map[int]chan reply{}, pages: map[string]*Page{}}
	go b.read(events)
	if err := b.call("", "Browser.getVersion", nil, nil); err != nil {
		process.Kill()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("starting %s: %w\n%s", path, err, text)
	}
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() error {
	if err := b.post("", "Browser.close", nil); err != nil {
		b.process.Kill()
		return err
	}
	if _, err := b.process.Wait(limit); err != nil {
		b.process.Kill()
		return err
	}
	return b.commands.Close()
}

// call sends a command to a session, "" for the browser itself, and waits for its result.
func (b *Browser) call(session, method string, params, result any) error {
	answer := make(chan reply, 1)
	if err := b.send(session, method, params, answer); err != nil {
		return err
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			return fmt.Errorf("%s: %s", method, r.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-time.After(limit):
		return fmt.Errorf("%s: no answer within %v", method, limit)
	}
}

// post sends a command whose result nobody waits for.
func (b *Browser) post(session, method string, params any) error {
	return b.send(session, method, params, nil)
}

func (b *Browser) send(session, method string, params any, answer chan reply) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end != nil {
		return fmt.Errorf("%s: %w", method, b.end)
	}
	b.id++
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Session string `json:"sessionId,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{b.id, session, method, params})
	if err != nil {
		return err
	}
	if answer != nil {
		b.waiting[b.id] = answer
	}
	_, err = b.commands.Write(append(text, 0))
	return err
}

// read takes what the browser says until it ends.
func (b *Browser) read(from io.ReadCloser) {
	defer from.Close()
	messages := bufio.NewReaderSize(from, 1<<16)
	for {
		text, err := messages.ReadBytes(0)
		if err == nil {
			err = b.take(text[:len(text)-1])
		}
		if err != nil {
			b.stop(fmt.Errorf("the browser has ended: %w", err))
			return
		}
	}
}

// stop lets everyone know who waits that nothing more will come.
func (b *Browser) stop(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = err
	for _, answer := range b.waiting {
		answer <- reply{Error: &struct{ Message string }{err.Error()}}
	}
	clear(b.waiting)
}

// take takes a reply or an event.
func (b *Browser) take(text []byte) error {
	var m struct {
		ID        int
		SessionID string
		Method    string
		Params    json.RawMessage
		reply
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	b.mu.Lock()
	if answer, found := b.waiting[m.ID]; found {
		delete(b.waiting, m.ID)
		answer <- m.reply
	}
	page := b.pages[m.SessionID]
	var next []command
	var err error
	if m.ID == 0 && page != nil {
		next, err = page.note(m.SessionID, m.Method, m.Params)
	}
	b.mu.Unlock()
	for _, c := range next {
		err = errors.Join(err, b.post(c.session, c.method, c.params))
	}
	return err
}

// command is what a page has to say to an event.
type command struct {
	session, method string
	params          any
}

// object is the parameters of a command.
type object = map[string]any
