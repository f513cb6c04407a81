package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// ofTheWriter are fields of an answer that the engine writes itself, and Location, which is mended.
var ofTheWriter = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Date": true, "Server": true,
}

// fields returns the fields of an answer that are passed on, by name, as net/http does not keep their order.
func fields(header http.Header) (message.Fields, error) {
	named := options(header["Connection"])
	names := make([]string, 0, len(header))
	n := 0
	for name, values := range header {
		if !ofTheWriter[name] && !named[name] {
			names = append(names, name)
			n += len(values)
		}
	}
	slices.Sort(names)
	list := make(message.Fields, 0, n+1)
	for _, name := range names {
		if !isToken(name) {
			return nil, fmt.Errorf("malformed field name %q", name)
		}
		for _, value := range header[name] {
			if strings.ContainsFunc(value, isControl) {
				return nil, fmt.Errorf("control character in the field %q: %q", name, value)
			}
			list = append(list, message.Field{Name: name, Value: value})
		}
	}
	return list, nil
}

// response is the answer to what the client asked, but for its body.
func (x *exchange) response(resp *http.Response) (message.Response, error) {
	list, err := fields(resp.Header)
	if err != nil {
		return message.Response{}, err
	}
	before := x.request.Prefix
	if x.route.ofSite {
		before = "" // package basepath adds it
	}
	for i := range list {
		if list[i].Name == "Location" {
			list[i].Value = x.route.located(list[i].Value, before, x.kept, x.request.Scheme)
		}
	}
	if length := resp.Header["Content-Length"]; resp.StatusCode == http.StatusNotModified && len(length) == 1 && x.request.Version.Major == 1 {
		// Of the content that is not sent. In HTTP/2, net/http's client takes that to be missing.
		list = append(list, message.Field{Name: "Content-Length", Value: length[0]})
	}
	if len(resp.Trailer) > 0 {
		var names []string
		for name := range resp.Trailer {
			names = append(names, name)
		}
		slices.Sort(names)
		list = append(list, message.Field{Name: "Trailer", Value: strings.Join(names, ", ")})
	}
	if resp.StatusCode < 200 {
		return message.Response{}, errors.New("an interim answer is the last")
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	if strings.ContainsFunc(reason, isControl) {
		return message.Response{}, fmt.Errorf("control character in the reason phrase %q", reason)
	}
	return message.Response{Status: resp.StatusCode, Reason: message.Latin1(reason), Fields: list}, nil
}
