package metrics

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Check is one condition of readiness.
type Check struct {
	// Name says what is checked, in one word: "directory".
	Name string
	// Probe returns nil if the condition holds, else the reason. It is never called concurrently.
	Probe func() error
	// HealthOnly leaves the check out of /readyz, as requests are answered even if it fails.
	HealthOnly bool
	// Warning shows what the check finds on /healthz, and fails nothing.
	Warning bool
}

// probeTimeout is how long a check may take, a little less than Kubernetes waits (timeoutSeconds: 1).
const probeTimeout = 900 * time.Millisecond

// probes makes the checks. A stat on a network mount that is gone can hang forever. Then this one probe
// hangs, and later requests do not start another.
type probes []*probe

type probe struct {
	check   Check
	mu      sync.Mutex
	running *run // nil while there is none
}

// run is one call of Probe.
type run struct {
	done chan struct{} // closed when err is set
	err  error
}

// state is the outcome of a check.
type state struct {
	check Check
	err   error
}

func newProbes(checks []Check) probes {
	var p probes
	for _, check := range checks {
		p = append(p, &probe{check: check})
	}
	return p
}

// states makes all checks side by side.
func (p probes) states(ctx context.Context) []state {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	runs := make([]*run, len(p))
	for i := range p {
		runs[i] = p[i].start()
	}
	states := make([]state, len(p))
	for i, r := range runs {
		states[i] = state{p[i].check, r.outcome(ctx)}
	}
	return states
}

// outcome waits for a run, until ctx ends at most.
func (r *run) outcome(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	select {
	case <-r.done: // it had ended while another was waited for
		return r.err
	default:
		return fmt.Errorf("no answer within %v", probeTimeout)
	}
}

// start returns the run of a check that goes on, or a new one.
func (p *probe) start() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		p.running = &run{done: make(chan struct{})}
		go p.finish(p.running)
	}
	return p.running
}

// finish makes the check and hands its outcome to all who wait.
func (p *probe) finish(r *run) {
	err := p.check.Probe()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = nil
	r.err = err
	close(r.done)
}
