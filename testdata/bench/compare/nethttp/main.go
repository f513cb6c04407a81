// Nethttp does for a small file what previewd does, in a handler of net/http that does nothing else: it sends the
// same fields, looks at the file once, and writes one line of zap for each answer. The difference to it is what the
// rest of previewd costs.
//
//	nethttp ADDRESS DIRECTORY [CERTIFICATE]
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// largest is the size up to which a file is kept, in bytes.
const largest = 1 << 20

// kept is a file in memory.
type kept struct {
	path    string
	info    os.FileInfo
	content []byte
	etag    string
	fields  http.Header
}

// site is what is served, by the path of a URL.
type site struct {
	files map[string]kept
	log   *zap.Logger
}

func main() {
	files, err := read(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	handler := site{files, logger()}
	if len(os.Args) > 3 { // a certificate with its key behind it
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[3], os.Args[3], handler))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}

// read reads the files at the top of a directory.
func read(dir string) (map[string]kept, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		return nil, err
	}
	files := map[string]kept{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Size() > largest {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files["/"+info.Name()] = keep(path, info, content)
	}
	return files, nil
}

func keep(path string, info os.FileInfo, content []byte) kept {
	sum := sha256.Sum256(content)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	mediaType := "application/octet-stream"
	if filepath.Ext(path) == ".txt" {
		mediaType = "text/plain"
	}
	return kept{path, info, content, etag, http.Header{
		"Accept-Ranges":  {"bytes"},
		"Cache-Control":  {"no-cache"},
		"Content-Length": {strconv.Itoa(len(content))},
		"Content-Type":   {mediaType},
		"Etag":           {etag},
		"Last-Modified":  {info.ModTime().UTC().Format(http.TimeFormat)},
		"Server":         {"nethttp"},
		"Vary":           {"Accept-Encoding"},
	}}
}

// logger writes lines to standard error, at most 100 ms late.
func logger() *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", NameKey: "logger", MessageKey: "msg",
		EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeName: zapcore.FullNameEncoder,
		EncodeTime: zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
	})
	out := &zapcore.BufferedWriteSyncer{WS: os.Stderr, FlushInterval: 100 * time.Millisecond}
	return zap.New(zapcore.NewCore(encoder, out, zapcore.InfoLevel)).Named("access")
}

// ServeHTTP answers GET.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	file, found := s.files[r.URL.Path]
	info, err := os.Stat(file.path)
	if !found || err != nil || info.Size() != file.info.Size() || !info.ModTime().Equal(file.info.ModTime()) {
		http.Error(w, "not what was read at the start", http.StatusNotFound)
		return
	}
	maps.Copy(w.Header(), file.fields)
	status, size := http.StatusOK, 0
	if r.Header.Get("If-None-Match") == file.etag {
		status = http.StatusNotModified
		w.WriteHeader(status)
	} else {
		size, err = w.Write(file.content)
	}
	s.record(r, status, size, start, err)
}

func (s site) record(r *http.Request, status, size int, start time.Time, err error) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	line := r.Method + " " + r.RequestURI + " " + r.Proto
	s.log.Info(`"`+line+`" `+strconv.Itoa(status)+" "+strconv.Itoa(size), zap.String("request", line), zap.String("client", host),
		zap.Int("code", status), zap.Int("size", size), zap.Float64("duration", time.Since(start).Seconds()), zap.String("protocol", r.Proto),
		zap.String("host", r.Host), zap.String("user_agent", r.UserAgent()), zap.Error(err))
}
