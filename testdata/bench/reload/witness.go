package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// witness knows what previewd has done after a save: its event stream says when it has told pages, its log when a look has
// found the change.
type witness struct {
	told *events
	log  string
}

// events are those of an event stream that name a file.
type events struct {
	resp *http.Response
	done chan struct{}

	mu   sync.Mutex
	list []notice
}

type notice struct {
	at   time.Time
	data string
}

// listen begins to listen to an event stream.
func listen(url string) (*events, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the event stream: %s", resp.Status)
	}
	e := &events{resp: resp, done: make(chan struct{})}
	go e.read()
	return e, nil
}

func (e *events) read() {
	defer close(e.done)
	for lines := bufio.NewScanner(e.resp.Body); lines.Scan(); {
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			e.mu.Lock()
			e.list = append(e.list, notice{time.Now(), data})
			e.mu.Unlock()
		}
	}
}

func (e *events) end() {
	e.resp.Body.Close()
	<-e.done
}

// complete adds to saves of a file what previewd has done.
func (w *witness) complete(file string, saves []save) error {
	text, err := os.ReadFile(w.log)
	if err != nil {
		return err
	}
	var looks []time.Time
	for line := range strings.Lines(string(text)) {
		var record struct {
			Time time.Time `json:"ts"`
			Msg  string    `json:"msg"`
			Name string    `json:"name"`
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "file changed" && record.Name == file {
			looks = append(looks, record.Time)
		}
	}
	path := "/" + file
	if file == document {
		path = "/"
	}
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	for i := range saves {
		s := &saves[i]
		for _, at := range looks {
			// The log has milliseconds.
			if !at.Before(s.saved.Truncate(time.Millisecond)) && at.Before(s.asked) {
				s.found = at
				break
			}
		}
		for _, t := range w.told.list {
			if t.at.After(s.saved) && t.at.Before(s.asked.Add(50*time.Millisecond)) && strings.Contains(t.data, `"`+path+`"`) {
				s.told = t.at
				break
			}
		}
	}
	return nil
}
