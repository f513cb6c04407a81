package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/previewd/previewd/server/message"
)

var (
	errTimeout = errors.New("the server sent and took nothing for too long")
	errGone    = errors.New("the client is gone")
	errSwitch  = errors.New("it switched to a protocol that was not asked for")
	errMemory  = errors.New("there is no memory for the head of the answer")
	errInterim = fmt.Errorf("it sent more than %d KiB of interim answers", maxHead>>10)
)

// reload is after how many seconds a browser asks again for a page whose server is not there.
const reload = "2"

// fail is the answer in place of one that did not come.
func (x *exchange) fail(err error) message.Response { return x.tell(x.failure(err)) }

// tell says which server is the matter and why, in one line: as a page that asks again by itself, or as JSON where the client
// prefers that.
func (x *exchange) tell(f *message.Failure) message.Response {
	resp := f.Response()
	if f.Status < 500 {
		return resp
	}
	html, data := accepts(x.request.Fields.Values("Accept"))
	switch {
	case x.request.Fields.Get("Sec-Fetch-Mode") == "navigate" || html > data:
		if x.request.Method == "GET" && f.Status != http.StatusLoopDetected { // that does not mend itself
			resp.Fields = message.Fields{{Name: "Refresh", Value: reload}}
		}
	case data > 0:
		content, err := json.Marshal(struct {
			Status   int    `json:"status"`
			Error    string `json:"error"`
			Upstream string `json:"upstream"`
		}{f.Status, f.Explain, x.route.server.name})
		if err == nil {
			resp.Fields = message.Fields{{Name: "Content-Type", Value: "application/json"}}
			resp.Body = message.Bytes(append(content, '\n'))
		}
	}
	resp.Fields = append(resp.Fields, message.Field{Name: "Cache-Control", Value: "no-store"})
	return resp
}

// accepts returns the weights, from 0 to 1, of HTML and of JSON in Accept fields (RFC 9110, section 12.5.1). Ranges such as
// */* name neither.
func accepts(values []string) (html, data float64) {
	for _, value := range values {
		for text := range strings.SplitSeq(value, ",") {
			name, parameters, _ := strings.Cut(strings.ToLower(text), ";")
			weight := message.Weight(parameters)
			switch name = strings.TrimSpace(name); {
			case name == "text/html":
				html = max(html, weight)
			case strings.HasSuffix(name, "/json") || strings.HasSuffix(name, "+json"):
				data = max(data, weight)
			}
		}
	}
	return html, data
}

// failure tells what an error of an exchange is to the client.
func (x *exchange) failure(err error) *message.Failure {
	if why := context.Cause(x.ctx); why != nil {
		err = why
	}
	if client := x.content.problem(); client != nil {
		var f *message.Failure
		if errors.As(client, &f) {
			return f
		}
		return &message.Failure{Status: 400, Message: "Request content ended early", Cause: client}
	}
	f := &message.Failure{Status: http.StatusBadGateway}
	var why string
	var network net.Error
	switch {
	case errors.Is(err, message.ErrStopping):
		return &message.Failure{Status: 503, Cause: err}
	case errors.Is(err, errGone) || errors.Is(err, context.Canceled):
		return &message.Failure{Status: 503, Cause: errGone}
	case errors.Is(err, errMemory):
		return &message.Failure{Status: 503, Cause: err}
	case errors.Is(err, errTimeout):
		f.Status, why = http.StatusGatewayTimeout, fmt.Sprintf("no byte came for %v (PROXY_TIMEOUT)", x.upstreams.opts.Timeout)
	case errors.As(err, &network) && network.Timeout():
		f.Status, why = http.StatusGatewayTimeout, "no connection came about within "+dialTimeout.String()
	default:
		why = reason(err)
	}
	f.Explain = x.route.server.name + ": " + why
	f.Cause = fmt.Errorf("%s: %w", x.route.server.name, err)
	return f
}

// reason says in a few words why a server could not be asked, or did not answer.
func reason(err error) string {
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	var call *os.SyscallError
	switch {
	case errors.Is(err, errInterim):
		return errInterim.Error()
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("the name %q was not found", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("the name %q could not be looked up: %s", name.Name, name.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &hostname):
		return hostname.Error()
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority; PROXY_CA can name it"
	case errors.As(err, &invalid):
		return invalid.Error()
	case errors.As(err, &plain):
		return "it does not speak TLS there"
	case errors.Is(err, errEnded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection"):
		return "it closed the connection before the end of its answer"
	case errors.As(err, &call):
		return call.Err.Error()
	}
	return err.Error()
}
