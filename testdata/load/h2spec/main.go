// H2spec lets h2spec judge the HTTP/2 of a server, and that of a http.Server of the same Go, in one run: the
// server may fail no case that the other one does not fail. Cases that hang on how fast two frames follow each
// other are given another chance.
//
//	go run ./testdata/load/h2spec -h2spec PROGRAM BINARY
package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	page = "<p>hello"
	// rounds is how often both are judged at most: a case must be failed each time to count.
	rounds = 3
)

func main() {
	program := flag.String("h2spec", "h2spec", "the program")
	flag.Parse()
	if err := run(*program, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
		os.Exit(1)
	}
}

func run(program string, command []string) error {
	scratch, err := os.MkdirTemp("", "h2spec-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	site, certificate := filepath.Join(scratch, "site"), filepath.Join(scratch, "tls.pem")
	text, _, err := subject.Certificate(1)
	if err != nil {
		return err
	}
	err = errors.Join(os.Mkdir(site, 0o755), os.WriteFile(certificate, text, 0o600),
		os.WriteFile(filepath.Join(site, "index.html"), []byte(page), 0o644))
	if err != nil {
		return err
	}
	server, err := subject.Start(command, site, scratch, "LOG_FORMAT=json", "TLS_CERT="+certificate)
	if err != nil {
		return err
	}
	defer server.Kill()
	plain, err := servePlain(certificate)
	if err != nil {
		return err
	}
	report := filepath.Join(scratch, "report.xml")
	var alone, excused map[string]bool
	for round := range rounds {
		theirs, err := judge(program, plain, report)
		if err != nil {
			return err
		}
		ours, err := judge(program, server.Addr, report)
		if err != nil {
			return err
		}
		fmt.Printf("%s fails %d of %d cases, a http.Server %d of %d\n", filepath.Base(command[0]), len(ours.failed), ours.cases, len(theirs.failed), theirs.cases)
		if round == 0 {
			alone, excused = ours.failed, theirs.failed
		}
		maps.Copy(excused, theirs.failed)
		maps.DeleteFunc(alone, func(name string, _ bool) bool { return excused[name] || !ours.failed[name] })
		if len(alone) == 0 {
			return server.Stop()
		}
	}
	return fmt.Errorf("failed %d times where a http.Server never does:\n%s", rounds, strings.Join(slices.Sorted(maps.Keys(alone)), "\n"))
}

// servePlain serves with net/http alone, until the program ends. Its answer is in memory, as the server's is:
// some cases hang on whether the answer or the next frame is faster.
func servePlain(certificate string) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	server := &http.Server{Handler: hello, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.ServeTLS(l, certificate, certificate) }()
	return l.Addr().String(), nil
}

// verdict is what h2spec found.
type verdict struct {
	cases  int
	failed map[string]bool // by the section and the description of the case
}

// judge runs h2spec, which writes its report in the form of JUnit. Its exit code only says whether all passed.
func judge(program, addr, report string) (v verdict, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return v, err
	}
	_ = os.Remove(report)
	out, runErr := exec.Command(program, "-t", "-k", "-h", host, "-p", port, "-j", report).CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		return v, fmt.Errorf("%w: %w\n%s", runErr, err, out)
	}
	var suites struct {
		Suites []struct {
			Cases []struct {
				Package     string    `xml:"package,attr"`
				Description string    `xml:"classname,attr"`
				Failure     *struct{} `xml:"failure"`
				Error       *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		return v, err
	}
	v.failed = map[string]bool{}
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			v.cases++
			if c.Failure != nil || c.Error != nil {
				v.failed[c.Package+" "+c.Description] = true
			}
		}
	}
	if v.cases == 0 {
		return v, fmt.Errorf("h2spec tried nothing: %w\n%s", runErr, out)
	}
	return v, nil
}
