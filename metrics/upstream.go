package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Upstreams has the metrics of other servers that are asked, by their configured name.
type Upstreams struct {
	servers map[string]*upstream
}

// upstream has the metrics of one server.
type upstream struct {
	codes                    [6]prometheus.Counter // by the first digit; 0 is for none
	duration                 prometheus.Observer
	inFlight, tunnels        prometheus.Gauge
	tunnelsTotal             prometheus.Counter
	bytesSent, bytesReceived prometheus.Counter
}

// Upstreams adds the metrics of servers with these names, once.
func (m *Metrics) Upstreams(names []string) *Upstreams {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "upstream_requests_total",
		Help: "Requests to other servers, by the class of the status code; code is other if there was no answer."}, []string{"upstream", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Buckets: scriptBuckets, Name: "upstream_duration_seconds",
		Help: "Time from a request to another server to the last byte of its answer, without tunnels."}, []string{"upstream"})
	inFlight := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "upstream_requests_in_flight",
		Help: "Requests to other servers in progress, with tunnels."}, []string{"upstream"})
	tunnels := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "upstream_tunnels",
		Help: "Open tunnels to other servers, such as WebSocket connections."}, []string{"upstream"})
	tunnelsTotal := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "upstream_tunnels_total",
		Help: "Tunnels to other servers."}, []string{"upstream"})
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "upstream_bytes_total",
		Help: "Bytes of content, and of tunnels, that went to (out) and came from (in) other servers."}, []string{"upstream", "direction"})
	m.registry.MustRegister(requests, duration, inFlight, tunnels, tunnelsTotal, bytes)
	u := &Upstreams{servers: map[string]*upstream{}}
	for _, name := range names {
		s := &upstream{duration: duration.WithLabelValues(name), inFlight: inFlight.WithLabelValues(name), tunnels: tunnels.WithLabelValues(name),
			tunnelsTotal: tunnelsTotal.WithLabelValues(name), bytesSent: bytes.WithLabelValues(name, "out"), bytesReceived: bytes.WithLabelValues(name, "in")}
		for i := range s.codes {
			code := other
			if i > 0 {
				code = strconv.Itoa(i) + "xx"
			}
			s.codes[i] = requests.WithLabelValues(name, code)
		}
		u.servers[name] = s
	}
	return u
}

// Started counts a request. It is followed by one Ended.
func (u *Upstreams) Started(name string) { u.servers[name].inFlight.Inc() }

// Switched counts a request that has become a tunnel.
func (u *Upstreams) Switched(name string) {
	u.servers[name].tunnels.Inc()
	u.servers[name].tunnelsTotal.Inc()
}

// Ended counts a request that was answered with a status code, or 0 for none. in are the bytes that came from the server,
// out those that went to it.
func (u *Upstreams) Ended(name string, status int, d time.Duration, in, out int64, tunnel bool) {
	s := u.servers[name]
	s.inFlight.Dec()
	class := status / 100
	if class < 0 || class >= len(s.codes) {
		class = 0
	}
	s.codes[class].Inc()
	if tunnel {
		s.tunnels.Dec()
	} else {
		s.duration.Observe(d.Seconds())
	}
	s.bytesReceived.Add(float64(in))
	s.bytesSent.Add(float64(out))
}
