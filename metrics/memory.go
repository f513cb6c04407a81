package metrics

import "github.com/prometheus/client_golang/prometheus"

// WatchMemory adds the metrics of the memory that clients make the server hold, once. use returns how many bytes are held
// and how many may be; it is called at each scrape.
func (m *Metrics) WatchMemory(use func() (held, limit int64)) {
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m.registry.MustRegister(
		gauge("memory_budget_used_bytes", "Memory reserved for requests and answers in progress, and for HTTP/2 connections.",
			func() int64 { held, _ := use(); return held }),
		gauge("memory_budget_limit_bytes", "Memory that may be reserved for them; without a limit on memory, the largest integer.",
			func() int64 { _, limit := use(); return limit }))
}
