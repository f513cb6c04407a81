package metrics

import "github.com/prometheus/client_golang/prometheus"

// WatchPreviews adds the metrics of the previews, once. counts returns how many directories are known to be previews, and
// how many of these are open; it is called at each scrape.
func (m *Metrics) WatchPreviews(counts func() (known, open int)) {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "previews", Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m.registry.MustRegister(
		gauge("known", "Directories that were previews when their names were read last, for the overview or a name that had to be looked for.",
			func() int { known, _ := counts(); return known }),
		gauge("open", "Previews that are open.", func() int { _, open := counts(); return open }))
}
