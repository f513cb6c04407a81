package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TLS has the metrics of a server that uses TLS, in the registry of its Metrics.
type TLS struct {
	failures   *prometheus.CounterVec
	complaints prometheus.Counter
}

// TLS adds the metrics of TLS. It is called once. notAfter returns when the current certificate expires, broken
// returns what is wrong with the certificate files. Both are called at each scrape.
func (m *Metrics) TLS(notAfter func() time.Time, broken func() error) *TLS {
	t := &TLS{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace,
			Name: "tls_handshake_failures_total", Help: "TLS handshakes that failed."}, []string{"reason"}),
		complaints: counter("http2_errors_total", "Errors of HTTP/2 connections and streams that the library answers by itself."),
	}
	end := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace,
		Name: "tls_certificate_not_after_timestamp_seconds", Help: "Time at which the current certificate expires."},
		func() float64 { return float64(notAfter().Unix()) })
	reload := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace,
		Name: "tls_certificate_last_reload_successful", Help: "1 if the certificate files could be read the last time, else 0."},
		func() float64 {
			if broken() != nil {
				return 0
			}
			return 1
		})
	m.registry.MustRegister(t.failures, t.complaints, end, reload)
	return t
}

// HandshakeFailed counts a handshake that failed. The reasons are a closed set of the caller's.
func (t *TLS) HandshakeFailed(reason string) { t.failures.WithLabelValues(reason).Inc() }

// Complaint counts an error of HTTP/2 that net/http answered by itself.
func (t *TLS) Complaint() { t.complaints.Inc() }
