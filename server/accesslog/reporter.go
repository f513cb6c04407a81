package accesslog

import (
	"errors"
	"sync"

	"github.com/previewd/previewd/server/message"
)

// maxReported bounds how many things a Reporter remembers; what exceeds it is not reported.
const maxReported = 1024

// Reporter logs what is wrong with the things that are served, a warning for each thing however often it
// is asked for: a cause is one of these if it has a method OnceKey, which names the thing.
type Reporter struct {
	log      *Log
	mu       sync.Mutex
	reported map[string]struct{}
}

// NewReporter returns a Reporter that logs to log.
func NewReporter(log *Log) *Reporter {
	return &Reporter{log: log, reported: make(map[string]struct{})}
}

// Observe logs the cause of a failed answer if it deserves a warning.
func (r *Reporter) Observe(x *message.Exchange) {
	if x.Failure == nil || x.Failure.Cause == nil {
		return
	}
	var once interface {
		error
		OnceKey() string
	}
	if errors.As(x.Failure.Cause, &once) && r.isNew(once.OnceKey()) {
		r.log.Warn(once.Error())
	}
}

// Report logs a warning.
func (r *Reporter) Report(err error) { r.log.Warn(err.Error()) }

// isNew says whether a thing has not been reported; an empty key names none.
func (r *Reporter) isNew(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.reported[key]; found || key == "" || len(r.reported) >= maxReported {
		return false
	}
	r.reported[key] = struct{}{}
	return true
}
