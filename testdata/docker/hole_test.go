package docker

import (
	"slices"
	"strings"
	"testing"
)

// TestTheHoleStaysShut: in a container, as the README has it and with every right taken away, the kernel confines the program:
// Docker's own seccomp profile lets it. Without confinement the container's walls are the only ones.
func TestTheHoleStaysShut(t *testing.T) {
	dir := folder(t, map[string]string{"index.html": "<p>one</p>\n"})
	hole := Holed(t, module)
	for _, c := range []struct {
		name     string
		options  []string
		confined bool
	}{
		{"usual", nil, true},
		{"hardened", hardened, true},
		{"off", []string{"-e", "KERNEL_CONFINEMENT=off"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serving(t, mounted(dir, slices.Concat(hole, c.options)...))
			if log := server.log(t); c.confined && !strings.Contains(log, "kernel confinement (Landlock ") {
				if strings.Contains(log, "no kernel confinement: this kernel has no Landlock") {
					t.Skip("this kernel has no Landlock")
				}
				t.Fatalf("nothing is confined:\n%s", log)
			}
			Misuse(t, server.url(""), c.confined)
		})
	}
}
