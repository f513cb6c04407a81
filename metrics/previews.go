package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pullBuckets are in seconds: a small build from a registry nearby takes 100 ms, a large one over a slow line minutes.
var pullBuckets = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// pullResults are the ways in which a pull ends: the build is here; its image can never be shown; something failed, so that
// another try may succeed; it does not fit into the store.
var pullResults = [...]string{"ok", "refused", "no_room", "failed"}

// registryResults are the ways in which a request to a registry ends: with an answer, which may be that a tag is not there;
// with the demand to ask less often; without one that can be used.
var registryResults = [...]string{"ok", "not_found", "limited", "failed"}

// WatchPreviews adds the metrics of the previews, once. counts returns how many directories or tags are known to be previews,
// and how many of these are open; it is called at each scrape.
func (m *Metrics) WatchPreviews(counts func() (known, open int)) {
	m.registry.MustRegister(
		previewsGauge("known", "Directories or tags that were previews when their names were read last.",
			func() float64 { known, _ := counts(); return float64(known) }),
		previewsGauge("open", "Previews that are open.", func() float64 { _, open := counts(); return float64(open) }))
}

func previewsGauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "previews", Name: name, Help: help}, value)
}

// Pulls counts what previews get from a registry. Its methods are safe for concurrent use.
type Pulls struct {
	pulls, asked *prometheus.CounterVec
	bytes        prometheus.Counter
	duration     prometheus.Histogram
	reached      prometheus.Gauge
}

// Pulls adds the metrics of previews from a registry, once. inUse returns how many of them are in use; store returns what the
// store takes on disk and may take, in bytes, and how many builds it has. Both are called at each scrape.
func (m *Metrics) Pulls(inUse func() int, store func() (bytes, limit int64, builds int)) *Pulls {
	p := &Pulls{
		pulls: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "previews", Name: "pulls_total",
			Help: "Builds that were to be fetched and unpacked, by result."}, []string{"result"}),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "previews", Name: "registry_requests_total",
			Help: "Requests to the registry, by result."}, []string{"result"}),
		bytes: counter("previews_pulled_bytes_total", "Bytes of layers that came from the registry."),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: "previews", Buckets: pullBuckets,
			Name: "pull_duration_seconds", Help: "Time to fetch and unpack a build, also of those that failed."}),
		reached: gauge("previews_registry_reached_timestamp_seconds", "Time of the registry's last answer that could be used, 0 before the first."),
	}
	for _, result := range pullResults {
		p.pulls.WithLabelValues(result)
	}
	for _, result := range registryResults {
		p.asked.WithLabelValues(result)
	}
	m.registry.MustRegister(p.pulls, p.asked, p.bytes, p.duration, p.reached,
		previewsGauge("in_use", "Previews that were asked for in the last 10 minutes, or are open in a page.", func() float64 { return float64(inUse()) }),
		previewsGauge("store_bytes", "Bytes that the store of previews takes on disk, with what is being fetched.",
			func() float64 { bytes, _, _ := store(); return float64(bytes) }),
		previewsGauge("store_limit_bytes", "Bytes that the store of previews may take on disk.",
			func() float64 { _, limit, _ := store(); return float64(limit) }),
		previewsGauge("builds", "Builds in the store of previews.", func() float64 { _, _, builds := store(); return float64(builds) }))
	return p
}

// Pulled counts a build that was to be fetched and unpacked: the result (ok, refused, no_room or failed; all else is failed), the
// bytes of layers that came from the registry for it, and how long it took.
func (p *Pulls) Pulled(result string, bytes int64, d time.Duration) {
	p.pulls.WithLabelValues(pullResults[index(pullResults[:], result)]).Inc()
	p.bytes.Add(float64(bytes))
	p.duration.Observe(d.Seconds())
}

// RegistryAsked counts a request to the registry: ok, not_found, limited or failed; all else is failed.
func (p *Pulls) RegistryAsked(result string) {
	p.asked.WithLabelValues(registryResults[index(registryResults[:], result)]).Inc()
}

// Reached says when the registry last gave an answer that could be used.
func (p *Pulls) Reached(t time.Time) { p.reached.Set(float64(t.UnixMilli()) / 1000) }
