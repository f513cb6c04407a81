package metrics

import "github.com/prometheus/client_golang/prometheus"

// Cache has the counts of a cache since the start, and its present size.
type Cache struct {
	Hits, Misses, Evictions uint64
	Entries                 int
	// Bytes is the memory in use, Size the limit.
	Bytes, Size int64
}

// cacheCollector reports a Cache. It reads the counts once for each scrape.
type cacheCollector struct {
	counts                                           func() Cache
	hits, misses, evictions, entries, bytes, maximum *prometheus.Desc
}

// WatchCache adds the metrics of a cache, once. counts is called at each scrape.
func (m *Metrics) WatchCache(counts func() Cache) {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "cache", name), help, nil, nil)
	}
	m.registry.MustRegister(&cacheCollector{counts: counts,
		hits:      desc("hits_total", "Lookups that found up-to-date content in the cache."),
		misses:    desc("misses_total", "Lookups of cacheable content that did not find it in the cache."),
		evictions: desc("evictions_total", "Entries removed to make room for others."),
		entries:   desc("entries", "Entries in the cache."),
		bytes:     desc("size_bytes", "Memory used by the cache."),
		maximum:   desc("limit_bytes", "Memory that the cache may use."),
	})
}

// Describe lists the metrics.
func (c *cacheCollector) Describe(list chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.hits, c.misses, c.evictions, c.entries, c.bytes, c.maximum} {
		list <- desc
	}
}

// Collect reports them.
func (c *cacheCollector) Collect(list chan<- prometheus.Metric) {
	now := c.counts()
	report := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
		list <- prometheus.MustNewConstMetric(desc, kind, value)
	}
	report(c.hits, prometheus.CounterValue, float64(now.Hits))
	report(c.misses, prometheus.CounterValue, float64(now.Misses))
	report(c.evictions, prometheus.CounterValue, float64(now.Evictions))
	report(c.entries, prometheus.GaugeValue, float64(now.Entries))
	report(c.bytes, prometheus.GaugeValue, float64(now.Bytes))
	report(c.maximum, prometheus.GaugeValue, float64(now.Size))
}
