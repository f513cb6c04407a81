// Package metrics counts what a server does, and has the handler of the admin port: /metrics, /livez,
// /readyz, /healthz and /version.
package metrics

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/previewd/previewd/server/message"
)

const namespace = "previewd"

// durationBuckets are in seconds: a file in memory takes 50 µs, a large one over a slow line many seconds.
var durationBuckets = []float64{
	50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10,
}

// scriptBuckets are in seconds: a shell script takes some milliseconds, and 30 s are allowed by default.
var scriptBuckets = []float64{1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 30, 60}

// Metrics has the collectors of one server, in a registry of their own. Its methods are safe for
// concurrent use, and those called for each request or connection allocate nothing.
type Metrics struct {
	// CA returns the certificate of the development CA, PEM. Nil means that there is none; it is set before
	// Admin is called.
	CA func() []byte

	registry *prometheus.Registry
	build    Build

	requests         *prometheus.CounterVec
	byMethod         [len(methods)][len(protocols)]atomic.Pointer[byCode]
	duration         prometheus.Histogram
	sent             prometheus.Counter
	malformed        prometheus.Counter
	inFlight         prometheus.Gauge
	connections      prometheus.Gauge
	connectionsTotal prometheus.Counter

	scripts        prometheus.Counter
	scriptsRunning prometheus.Gauge
	scriptDuration prometheus.Histogram
	scriptFailures *prometheus.CounterVec
}

// byCode has the counters of one method and protocol, resolved in advance: by label values they would
// cost more than all else here. One that is nil has not been needed yet, and its series does not exist.
type byCode [len(codes)]atomic.Pointer[prometheus.Counter]

// New returns the Metrics of a server. logDropped counts the log records that were dropped since the start.
func New(build Build, logDropped func() uint64) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		build:    build,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace,
			Name: "http_requests_total", Help: "Requests, including refused ones, by method, status code and protocol; code is other if no answer was sent."},
			[]string{"method", "code", "protocol"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Buckets: durationBuckets,
			Name: "http_request_duration_seconds", Help: "Time from the first byte of a request to the last byte of its answer."}),
		sent:             counter("http_response_size_bytes_total", "Bytes of content sent, without headers."),
		malformed:        counter("requests_malformed_total", "Requests refused because they were malformed, too large or too slow."),
		inFlight:         gauge("http_requests_in_flight", "Requests in progress."),
		connections:      gauge("connections", "Open connections."),
		connectionsTotal: counter("connections_total", "Connections accepted."),
		scripts:          counter("cgi_runs_total", "CGI scripts started."),
		scriptsRunning:   gauge("cgi_running", "CGI scripts that are running."),
		scriptDuration: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Buckets: scriptBuckets,
			Name: "cgi_duration_seconds", Help: "Running time of CGI scripts."}),
		scriptFailures: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace,
			Name: "cgi_failures_total", Help: "Requests for which a CGI script failed, by kind of failure."},
			[]string{"kind"}),
	}
	for _, kind := range scriptFailures {
		m.scriptFailures.WithLabelValues(kind)
	}
	buildInfo := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace,
		Name: "build_info", Help: "Always 1; the labels identify the build.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": runtime.Version()}})
	buildInfo.Set(1)
	dropped := prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace,
		Name: "log_records_dropped_total", Help: "Log records dropped because the log was not read fast enough."},
		func() float64 { return float64(logDropped()) })
	m.registry.MustRegister(m.requests, m.duration, m.sent, m.malformed, m.inFlight, m.connections, m.connectionsTotal,
		m.scripts, m.scriptsRunning, m.scriptDuration, m.scriptFailures, buildInfo, dropped,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

// Record counts an exchange. It does not keep a reference to x.
func (m *Metrics) Record(x *message.Exchange) {
	m.counter(methodIndex(x.Request.Method), codeIndex(x.Status), protocolIndex(x.Request.Proto)).Inc()
	m.duration.Observe(x.Duration.Seconds())
	if x.Sent > 0 {
		m.sent.Add(float64(x.Sent))
	}
	if x.Refused {
		m.malformed.Inc()
	}
}

// counter returns the counter of a series, which begins to exist with its first use.
func (m *Metrics) counter(method, code, protocol int) prometheus.Counter {
	slot := &m.byMethod[method][protocol]
	counters := slot.Load()
	if counters == nil {
		slot.CompareAndSwap(nil, new(byCode))
		counters = slot.Load()
	}
	if c := counters[code].Load(); c != nil {
		return *c
	}
	c := m.requests.WithLabelValues(methods[method], codes[code], protocols[protocol])
	counters[code].Store(&c)
	return c
}

// RequestStarted counts a request that is about to be answered. It is followed by one RequestDone.
func (m *Metrics) RequestStarted() { m.inFlight.Inc() }

// RequestDone counts a request that was answered, or whose connection ended.
func (m *Metrics) RequestDone() { m.inFlight.Dec() }

// ConnectionOpened counts an accepted connection. It is followed by one ConnectionClosed.
func (m *Metrics) ConnectionOpened() {
	m.connections.Inc()
	m.connectionsTotal.Inc()
}

// ConnectionClosed counts a connection that ended.
func (m *Metrics) ConnectionClosed() { m.connections.Dec() }

// ScriptStarted counts a CGI script that was started. It is followed by one ScriptEnded.
func (m *Metrics) ScriptStarted() {
	m.scripts.Inc()
	m.scriptsRunning.Inc()
}

// ScriptEnded counts a CGI script that ended after running for d.
func (m *Metrics) ScriptEnded(d time.Duration) {
	m.scriptsRunning.Dec()
	m.scriptDuration.Observe(d.Seconds())
}

// ScriptFailed counts a request for which a CGI script failed, by kind.
func (m *Metrics) ScriptFailed(kind string) {
	m.scriptFailures.WithLabelValues(scriptFailures[index(scriptFailures[:], kind)]).Inc()
}
