package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lookBuckets are in seconds: a look at 300 files takes half a millisecond, at 4000 on a slow mount a hundred.
var lookBuckets = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3}

// Reload counts what live reload does.
type Reload struct {
	streams                    prometheus.Gauge
	changes, reloads, droppeds prometheus.Counter
	look                       prometheus.Histogram
}

// Reload adds the metrics of live reload, once.
func (m *Metrics) Reload() *Reload {
	r := &Reload{
		streams:  gauge("reload_streams", "Pages that listen for changes."),
		changes:  counter("reload_changes_total", "Changes found in files that pages use."),
		reloads:  counter("reload_sent_total", "Pages that were told of changes."),
		droppeds: counter("reload_names_dropped_total", "Files that are no longer looked at, as there were too many."),
		look: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Buckets: lookBuckets,
			Name: "reload_look_duration_seconds", Help: "Processor time of a look at all files that pages use."}),
	}
	m.registry.MustRegister(r.streams, r.changes, r.reloads, r.droppeds, r.look)
	return r
}

// StreamOpened counts a page that begins to listen. It is followed by one StreamClosed.
func (r *Reload) StreamOpened() { r.streams.Inc() }

// StreamClosed counts a page that listens no more.
func (r *Reload) StreamClosed() { r.streams.Dec() }

// Changed counts a change that was found.
func (r *Reload) Changed() { r.changes.Inc() }

// ReloadSent counts a page that was told of changes.
func (r *Reload) ReloadSent() { r.reloads.Inc() }

// Looked counts a look.
func (r *Reload) Looked(d time.Duration) { r.look.Observe(d.Seconds()) }

// Dropped counts files that are no longer looked at.
func (r *Reload) Dropped(n int) { r.droppeds.Add(float64(n)) }
