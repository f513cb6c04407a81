package config

import (
	"errors"
	"fmt"
	"math"
	"mime"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// errValue is a value that is not of its field's type; field.allowed has the words for it.
var errValue = errors.New("bad value")

// parsers are what caarlos0/env is to use in place of its own, which take fewer or more forms than the
// contract: durations below zero, lists with blanks, booleans such as "T".
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[Port]():              parserOf(parsePort),
		reflect.TypeFor[bool]():              parserOf(parseBool),
		reflect.TypeFor[int]():               parserOf(parseCount),
		reflect.TypeFor[time.Duration]():     parserOf(parseDuration),
		reflect.TypeFor[Size]():              parserOf(parseSize),
		reflect.TypeFor[Listing]():           parserOf(parseListing),
		reflect.TypeFor[Previews]():          parserOf(parsePreviews),
		reflect.TypeFor[[]string]():          parserOf(parseList),
		reflect.TypeFor[[]netip.Prefix]():    parserOf(parsePrefixes),
		reflect.TypeFor[map[string]string](): parserOf(parseExtensions),
		reflect.TypeFor[[]Header]():          parserOf(parseHeaders),
		reflect.TypeFor[[]Proxy]():           parserOf(parseProxies),
	}
}

func parserOf[T any](parse func(string) (T, error)) env.ParserFunc {
	return func(text string) (any, error) { return parse(text) }
}

// parsePort takes what Python's int() takes for the port, but for underscores and digits beyond ASCII.
func parsePort(text string) (Port, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 || n > math.MaxUint16 {
		return 0, errValue
	}
	return Port(n), nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, errValue
}

// parseListing takes what a boolean may be too.
func parseListing(text string) (Listing, error) {
	switch word := strings.ToLower(text); word {
	case "rich", "plain":
		return Listing(word), nil
	}
	on, err := parseBool(text)
	switch {
	case err != nil:
		return "", err
	case on:
		return "rich", nil
	}
	return "false", nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, errValue
	}
	return int(n), nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errValue
	}
	return d, nil
}

// parseSize reads a number of bytes. K, M, G and T are powers of 1024 however they are written (64M, 64MB,
// 64Mi, 64MiB), as docker and nginx count memory.
func parseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "bBiIkKmMgGtT \t")
	unit := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	shift, ok := map[string]int{
		"": 0, "b": 0,
		"k": 10, "kb": 10, "ki": 10, "kib": 10,
		"m": 20, "mb": 20, "mi": 20, "mib": 20,
		"g": 30, "gb": 30, "gi": 30, "gib": 30,
		"t": 40, "tb": 40, "ti": 40, "tib": 40,
	}[unit]
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil || n > math.MaxInt64>>shift {
		return 0, errValue
	}
	return Size(n << shift), nil
}

// parseList splits at commas and trims blanks. An empty element is more likely a slip than meant.
func parseList(text string) ([]string, error) {
	list := strings.Split(text, ",")
	for i, element := range list {
		list[i] = strings.TrimSpace(element)
		if list[i] == "" {
			return nil, errors.New("must be values separated by single commas, and one is empty")
		}
	}
	return list, nil
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	prefixes := make([]netip.Prefix, len(list))
	for i, element := range list {
		if prefixes[i], err = parsePrefix(element); err != nil {
			return nil, fmt.Errorf("%s must be an IP address or a network, such as 10.0.0.0/8, 192.0.2.1 or fd00::/8", quote(element))
		}
	}
	return prefixes, nil
}

// parsePrefix takes an address for a prefix of its full length. IPv4 in IPv6 becomes IPv4, as the addresses
// of clients on the dual-stack socket do.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// parseExtensions reads pairs of what a file is called and a media type, which may have parameters (; charset=utf-8):
// a suffix with its dot, a whole name, or nothing for names without a suffix, as in http.server's extensions_map.
func parseExtensions(text string) (map[string]string, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	types := make(map[string]string, len(list))
	for _, element := range list {
		name, mediaType, _ := strings.Cut(element, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		mediaType = strings.TrimSpace(mediaType)
		if name == "." || strings.ContainsAny(name, "/\x00") || !isMediaType(mediaType) {
			return nil, fmt.Errorf("%s must be .suffix=media/type or name=media/type, such as .md=text/markdown", quote(element))
		}
		if _, twice := types[name]; twice {
			return nil, fmt.Errorf("%s is there twice, and must have one media type", quote(name))
		}
		types[name] = mediaType
	}
	return types, nil
}

// parseHeaders reads a header a line, split at its first colon. Empty lines are passed over.
func parseHeaders(text string) ([]Header, error) {
	var list []Header
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, content, found := strings.Cut(line, ":")
		h := Header{strings.TrimSpace(name), strings.TrimSpace(content)}
		switch {
		case !found || !isFieldName(h.Name):
			return nil, fmt.Errorf("%s must be 'Name: value', such as 'X-Frame-Options: DENY'", quote(line))
		case !isFieldValue(h.Value):
			return nil, fmt.Errorf("%s must have only visible ASCII and blanks", quote(line))
		case strings.EqualFold(h.Name, "Content-Type"):
			return nil, fmt.Errorf("%s differs from file to file: use DEFAULT_CONTENT_TYPE or EXTENSIONS_MAP", h.Name)
		case isOfTheAnswer(h.Name):
			return nil, fmt.Errorf("%s says how this answer is sent, which only the server knows: use others, such as Cache-Control", h.Name)
		}
		list = append(list, h)
	}
	return list, nil
}

// parseProxies reads pairs of a path and a URL.
func parseProxies(text string) ([]Proxy, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	proxies := make([]Proxy, len(list))
	for i, element := range list {
		prefix, target, _ := strings.Cut(element, "=")
		p := Proxy{strings.TrimSpace(prefix), strings.TrimSpace(target)}
		switch {
		case !isSitePath(p.Prefix):
			return nil, fmt.Errorf("%s must begin with a plain URL path and =, such as /api=http://localhost:3000", quote(element))
		case !isUpstream(p.Target):
			return nil, fmt.Errorf("%s must be the URL of a server: http or https with a host, a port and a plain path, such as http://localhost:3000 or https://api.example.org/v1", quote(p.Target))
		}
		for _, other := range proxies[:i] {
			if strings.TrimSuffix(other.Prefix, "/") == strings.TrimSuffix(p.Prefix, "/") {
				return nil, fmt.Errorf("%s is there twice, and must have one server", quote(p.Prefix))
			}
		}
		proxies[i] = p
	}
	return proxies, nil
}

// isUpstream says whether s is the URL of a server, with a plain path or none.
func isUpstream(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !isHost(u.Hostname()) || strings.ContainsAny(s, "?#") {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && (err != nil || port == 0) {
		return false
	}
	return u.Path == "" || isSitePath(u.Path) && u.RawPath == "" && isFieldValue(u.Path) && !strings.Contains(u.Path, " ")
}

// isUpstreamOrigin says whether s is the URL of a server without a path.
func isUpstreamOrigin(s string) bool { return isUpstream(s) && strings.Count(s, "/") == 2 }

// isFieldName says whether s is a token (RFC 9110, section 5.6.2).
func isFieldName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}) < 0
}

// isOfTheAnswer says whether a header frames the answer or its connection (RFC 9112, sections 6 and 9), says what the
// content is, or where to go on: what the server decides for each answer.
func isOfTheAnswer(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"accept-ranges", "content-encoding", "content-range", "date", "etag", "last-modified", "location", "retry-after", "server", "www-authenticate":
		return true
	}
	return false
}

// isOrigin says whether s is the origin of a page as browsers write it (RFC 6454, section 6.2), or *.
func isOrigin(s string) bool {
	if s == "*" {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || s != u.Scheme+"://"+u.Host || s != strings.ToLower(s) {
		return false
	}
	return !(u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80") && isFieldValue(s)
}

// isAllowedHost says whether s is a host, or one with a dot before it.
func isAllowedHost(s string) bool { return isHost(strings.TrimPrefix(s, ".")) }

// isPreviewsDomain says whether s is a host name below which there is room for a label of 63 bytes, and no address.
func isPreviewsDomain(s string) bool {
	_, err := netip.ParseAddr(s)
	return err != nil && isHost(s) && !strings.HasSuffix(s, ".") && len(s) <= 253-64
}

// isMediaType says whether s is a media type of RFC 9110, section 8.3.1, fit for a field value.
func isMediaType(s string) bool {
	essence, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(essence, "/") && isFieldValue(s)
}

// isFieldValue says whether s is visible ASCII and blanks, and so can stand in a field line.
func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// isHost says whether s is a numeric address (IPv6 without brackets) or may be a host name (RFC 1123, and
// underscores, which compose's service names have). A name whose last label is a number is a mistyped
// address, never a name.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) > 253 { // RFC 1035, section 3.1, without the root
		return false
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.IndexFunc(label, notInLabel) >= 0 {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func notInLabel(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// maxQuoted is how many bytes of a value a message shows.
const maxQuoted = 100

// quote makes bytes from outside one printable, bounded piece of a line.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q... (%d bytes)", s[:maxQuoted], len(s))
}

// printable is s itself where it is short, visible ASCII, else its quotation.
func printable(s string) string {
	visible := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if visible && s != "" && len(s) <= maxQuoted {
		return s
	}
	return quote(s)
}
