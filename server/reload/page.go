package reload

import (
	"maps"
	"slices"
	"time"
)

const (
	// maxPages is how many pages may listen, maxHeld how many names they may hold together.
	maxPages = 1000
	maxHeld  = 1 << 17
	// useSize is what a page holds for a name, in bytes: the use, and its part in what is sent.
	useSize = 128
	// impatience is how long a page that could be told waits for a name that does not come to rest.
	impatience = time.Second
)

// page is one that listens, and what it shows. The lock of its Reload is held for all that changes.
type page struct {
	id   string
	uses []use
	held int64 // bytes of the room for uses
	// full says that there was no room for all that it shows.
	full bool
	// all says that this is no page, but someone who wants to be told of all that is known.
	all bool

	verdict verdict
	since   time.Time // when verdict came to be restless
	told    []event   // what is to be sent
	wake    chan struct{}
}

// use is a name that a page shows in a version, as a part of the answer to a path.
type use struct {
	target   string
	name     *name
	shown    version
	document bool
}

// event is what a page is told.
type event struct {
	kind string
	// targets are paths of the site, as pages name them.
	targets []string
	// shows are what pages have to say of what they show, by path, when they listen again.
	shows map[string]shows
}

// The kinds of event.
const (
	stateEvent    = "state"      // what the page shows, for it to say when it listens again
	buildEvent    = "rebuilding" // the paths whose files are gone
	reloadEvent   = "reload"     // the paths that have changed
	restoredEvent = "restored"   // all is as it was before a build
)

// add adds what a page shows of a path, unless all pages hold too much.
func (p *page) add(rl *Reload, target string, s *serving, document bool) bool {
	size := int64(len(s.names)*useSize + len(target))
	if !rl.room.TryAcquire(size) {
		p.full = true
		return false
	}
	p.held += size
	for i, n := range s.names {
		p.uses = append(p.uses, use{target, n, s.versions[i], document})
		n.holders++
	}
	return true
}

// leave forgets a page.
func (rl *Reload) leave(p *page) {
	for _, u := range p.uses {
		u.name.holders--
		rl.known.forget(u.name)
	}
	rl.room.Release(p.held)
	p.held, p.uses = 0, nil
	delete(rl.pages, p)
}

// weigh judges what the looks have found, and says whether there is something to tell the page. sights is room.
func (p *page) weigh(rl *Reload, now time.Time, sights *[]sight) (tell bool) {
	list := (*sights)[:0]
	for _, u := range p.uses {
		if !u.name.dropped {
			list = append(list, sight{u.shown, versionOf(u.name.seen), u.name.agreed, u.document})
		}
	}
	*sights = list
	before := p.verdict
	p.verdict = judge(list, before, now.Sub(rl.changed), rl.opts.AtOnce)
	if p.verdict == restless {
		if before != restless {
			p.since = now
		} else if now.Sub(p.since) >= impatience {
			p.verdict = reload
		}
	}
	switch {
	case p.verdict == reload:
		p.tell(p.reload())
		p.verdict = same
	case p.verdict == building && before != building:
		p.tell(event{kind: buildEvent, targets: p.gone()})
	case p.verdict == same && before == building:
		p.tell(event{kind: restoredEvent})
	default:
		return false
	}
	return true
}

// tell adds an event. One that was not sent yet is not needed any more beside another: a page is told where it is now.
func (p *page) tell(e event) {
	if e.kind != reloadEvent {
		p.told = slices.DeleteFunc(p.told, func(old event) bool { return old.kind == buildEvent || old.kind == restoredEvent })
	}
	for i, old := range p.told {
		if old.kind == reloadEvent && e.kind == reloadEvent {
			for _, t := range old.targets {
				if _, again := e.shows[t]; !again {
					e.targets = append(e.targets, t)
					e.shows[t] = old.shows[t]
				}
			}
			p.told = slices.Delete(p.told, i, i+1)
			break
		}
	}
	p.told = append(p.told, e)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// reload takes what has changed for shown.
func (p *page) reload() event {
	e := event{kind: reloadEvent, shows: map[string]shows{}}
	for i := range p.uses {
		u := &p.uses[i]
		now := versionOf(u.name.seen)
		if u.name.dropped || u.shown == now {
			continue
		}
		u.shown = now
		if _, listed := e.shows[u.target]; !listed {
			e.targets = append(e.targets, u.target)
			e.shows[u.target] = shows{}
		}
	}
	p.say(e.shows)
	return e
}

// gone are the paths of which something is gone.
func (p *page) gone() []string {
	list := map[string]struct{}{}
	for _, u := range p.uses {
		if u.shown != 0 && !u.name.dropped && !u.name.seen.Found {
			list[u.target] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(list))
}

// say puts the versions that a page shows into what it is to say of some paths.
func (p *page) say(of map[string]shows) {
	for _, u := range p.uses {
		if names, asked := of[u.target]; asked {
			names[encoded(u.name.path)] = u.shown.String()
		}
	}
}
