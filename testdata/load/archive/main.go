// Archive downloads a directory with a large sparse file as .zip and as .tar.gz, from a server in a memory control group, and has
// unzip, bsdtar and Python's zipfile read what came, each where it is installed. It reports the most memory that the server had
// resident. It needs root, and a control group file system.
//
//	go run ./testdata/load/archive [-memory 64] [-size 5368709120] BINARY
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

func main() {
	mebibytes := flag.Int("memory", 64, "limit of the memory control group, in MiB; 0 = none")
	size := flag.Int64("size", 5<<30, "size of the file in bytes")
	flag.Parse()
	if err := run(flag.Args(), *mebibytes, *size); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(command []string, mebibytes int, size int64) error {
	scratch, err := os.MkdirTemp("", "archive-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	large := filepath.Join(scratch, "site", "large.bin")
	if err := errors.Join(os.Mkdir(filepath.Dir(large), 0o755), os.WriteFile(large, []byte("begin"), 0o644), os.Truncate(large, size)); err != nil {
		return err
	}
	command, remove, err := subject.Limited(command, mebibytes, 0)
	if err != nil {
		return err
	}
	defer remove()
	server, err := subject.Start(command, filepath.Dir(large), scratch, "LOG_FORMAT=json")
	if err != nil {
		return err
	}
	defer server.Kill()
	for _, format := range []string{"zip", "tar.gz"} {
		began := time.Now()
		got := filepath.Join(scratch, "got."+format)
		length, err := download("http://"+server.Addr+"/?archive="+format, got)
		if err != nil {
			return err
		}
		peak, _ := subject.Status(server.ID(), "VmHWM")
		fmt.Printf("%-6s of a file of %d bytes: %d bytes in %v; resident %d KiB at the most\n", format, size, length, time.Since(began).Round(time.Millisecond), peak)
		if err := read(got, size); err != nil {
			return err
		}
	}
	return server.Stop()
}

func download(url, name string) (int64, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	length, err := io.Copy(f, resp.Body)
	return length, errors.Join(err, f.Close())
}

// sizeByPython prints the size of each file, once it has been read through and its checksum is right.
const sizeByPython = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(sum(member.file_size for member in archive.infolist()))
`

// read has programs read an archive.
func read(name string, size int64) error {
	programs := [][]string{{"bsdtar", "-xOf", name}}
	if strings.HasSuffix(name, ".zip") {
		programs = append(programs, []string{"unzip", "-p", name}, []string{"python3", "-c", sizeByPython, name})
	}
	for _, words := range programs {
		path, err := exec.LookPath(words[0])
		if err != nil {
			fmt.Printf("       %s is not installed\n", words[0])
			continue
		}
		command := exec.Command(path, words[1:]...)
		var out counter
		command.Stdout, command.Stderr = &out, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s: %w", words[0], err)
		}
		got := out.bytes
		if words[0] == "python3" {
			if _, err := fmt.Sscan(out.first, &got); err != nil {
				return fmt.Errorf("%s: %q", words[0], out.first)
			}
		}
		if got != size {
			return fmt.Errorf("%s reads %d bytes of %d", words[0], got, size)
		}
		fmt.Printf("       %s reads %d bytes\n", words[0], got)
	}
	return nil
}

// counter counts what is written to it, and keeps the first of it.
type counter struct {
	bytes int64
	first string
}

func (c *counter) Write(p []byte) (int, error) {
	if c.bytes == 0 {
		c.first = string(p[:min(len(p), 40)])
	}
	c.bytes += int64(len(p))
	return len(p), nil
}
