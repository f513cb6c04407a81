package previews

import (
	"sync"
	"time"
)

const (
	// unused is for how long a site has to be out of use to be closed.
	unused = 10 * time.Minute
	// maxIdle is how many are open that no request is in. Each has a descriptor, and some 20 KiB of memory.
	maxIdle = 256
)

// opened are the sites that are open, by their directories.
type opened struct {
	mu    sync.Mutex
	sites map[string]*opening
}

// opening is a site that is open.
type opening struct {
	directory string
	site      Site
	// users are the requests that are in it, used when the last one left; dropped is set when it is no longer found. All are
	// guarded by opened.mu.
	users   int
	used    time.Time
	dropped bool
}

// has says whether the site of a directory is open.
func (o *opened) has(directory string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sites[directory] != nil
}

func (o *opened) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.sites)
}

// enter returns the site of a directory, which is opened, by the name of its preview, if it is not yet. The caller leaves it.
func (o *opened) enter(directory, name string, open func(directory, name string) Site) *opening {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sites[directory]
	if s == nil {
		s = &opening{directory: directory, site: open(directory, name)}
		o.sites[directory] = s
	}
	s.users++
	return s
}

// leave ends one use. Of those that are not in use then, the one that has not been for longest is closed if there are too
// many.
func (o *opened) leave(s *opening) {
	o.mu.Lock()
	s.users--
	s.used = time.Now()
	ends := s.dropped && s.users == 0
	many := len(o.sites) > maxIdle
	o.mu.Unlock()
	if ends {
		s.site.Close()
	}
	if many {
		o.sweep(time.Time{}, maxIdle)
	}
}

// drop has a site be opened anew by who comes next. The caller leaves it.
func (o *opened) drop(s *opening) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sites[s.directory] == s {
		delete(o.sites, s.directory)
	}
	s.dropped = true
}

// forget has the site of a directory that is about to be deleted be closed, once no request is in it.
func (o *opened) forget(directory string) {
	o.mu.Lock()
	s := o.sites[directory]
	if s != nil {
		s.users++
	}
	o.mu.Unlock()
	if s != nil {
		o.drop(s)
		o.leave(s)
	}
}

// sweep closes the sites that were not used since a time, and, where more than most are open that are not in use, those
// beyond it that were not used longest; a most of 0 is any number.
func (o *opened) sweep(since time.Time, most int) {
	var closing []*opening
	o.mu.Lock()
	idle, oldest := 0, (*opening)(nil)
	for directory, s := range o.sites {
		switch {
		case s.users > 0 || s.site.InUse():
			continue
		case s.used.Before(since):
			delete(o.sites, directory)
			closing = append(closing, s)
			continue
		case oldest == nil || s.used.Before(oldest.used):
			oldest = s
		}
		idle++
	}
	if most > 0 && idle > most {
		delete(o.sites, oldest.directory)
		closing = append(closing, oldest)
	}
	o.mu.Unlock()
	for _, s := range closing {
		s.site.Close()
	}
}
