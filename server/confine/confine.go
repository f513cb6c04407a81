// Package confine has the kernel keep the process to the files and ports that it needs, by Landlock (landlock(7)): what
// an error in the server could reach is then little more than what it serves anyway. Elsewhere than on Linux there is
// nothing of the kind.
package confine

import (
	"fmt"
	"slices"
	"strings"
)

// Options say what the process may still do.
type Options struct {
	// Directory is the directory that is served. What is below it may be read, and what comes in its place: see around. With
	// "" there is none, as with previews from a registry, which are served from Store.
	Directory string
	// Files are files that are read again while the server runs, such as a certificate: they may be read, and what comes
	// in their place. Empty names are passed over.
	Files []string
	// State are directories below which the process may write. Empty names are passed over.
	State []string
	// Store is a directory below which the process may write, and move files from one directory to another. It may be "".
	Store string
	// Connect are TCP ports of other machines that the process may connect to. With any of them it may resolve names too.
	Connect []uint16
	// ReadAll allows to read every file, for links that lead anywhere.
	ReadAll bool
	// Scripts allows what programs do that the process starts, as they are confined with it: to read, write and run every
	// file, and to connect to every port. Then only the ports are fixed that it listens on.
	Scripts bool
}

// Report says what is in force.
type Report struct {
	Options
	// ABI is the version of Landlock; 0 is none, and Why says why.
	ABI int
	Why string
	// Read and Write are the directories and files below which the process may read and write, those of the system aside.
	Read, Write []string
}

const (
	// portsABI is the first version of Landlock that knows ports: Linux 6.7.
	portsABI = 4
	// referABI is the first one that can allow a file to move to another directory: Linux 5.19.
	referABI = 2
)

// String is one line for the log.
func (r Report) String() string {
	if r.ABI == 0 {
		return "no kernel confinement: " + r.Why
	}
	return fmt.Sprintf("kernel confinement (Landlock %d): %s", r.ABI, strings.Join(r.parts(), ", "))
}

func (r Report) parts() []string {
	if r.Scripts {
		return []string{"listens on no other port", "else free, as CGI scripts are confined with the server"}
	}
	parts := []string{"reads " + enumerate(r.Read), "writes " + enumerate(r.Write), "starts no programs"}
	if r.ReadAll {
		parts[0] = "reads all files (SYMLINKS=follow)"
	}
	if r.ABI < portsABI {
		return append(parts, "ports are free before Linux 6.7")
	}
	connects := "connects nowhere"
	if len(r.Connect) > 0 {
		connects = "connects to " + enumerate(append(slices.Clone(r.Connect), 53))
	}
	return append(parts, "listens on no other port", connects)
}

// enumerate is a list in words.
func enumerate[T any](list []T) string {
	words := make([]string, len(list))
	for i, element := range list {
		words[i] = fmt.Sprint(element)
	}
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
