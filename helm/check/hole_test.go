package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/docker"
)

// TestDockerHole: in the pod's container the kernel confines the program too. A program with a hole is in the image's place.
func TestDockerHole(t *testing.T) {
	o := renderForDocker(t, append([]string{"-f", chart + "/ci/inline-values.yaml"}, set("service.port=8000")...)...)
	hole := docker.Holed(t, module)
	dir := folder(t)
	publish(t, dir, inlineFiles(t, o))
	for setting, confined := range map[string]bool{"auto": true, "off": false} {
		t.Run(setting, func(t *testing.T) {
			r := &running{pod: o.spec(), server: o.spec().Containers[0]}
			args := slices.Concat([]string{"run", "-d"}, asPod(t, o, r.pod, r.server), hole, []string{"-e", "KERNEL_CONFINEMENT=" + setting})
			for _, m := range r.server.VolumeMounts {
				if m.Name == "content" {
					args = append(args, "-v", dir+":"+m.MountPath+":ro")
				}
			}
			r.id = docker.Output(t, append(args, r.server.Image)...)
			t.Cleanup(func() { _ = docker.Command("rm", "-f", "-v", r.id).Run() })
			r.address = docker.Output(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", r.id)
			docker.Await(t, time.Minute, "the server is ready", func() error {
				return r.probe(r.server.ReadinessProbe)
			})
			log, err := docker.Command("logs", r.id).CombinedOutput()
			if err != nil || confined && !strings.Contains(string(log), "kernel confinement (Landlock ") {
				t.Fatalf("nothing is confined: %v\n%s", err, log)
			}
			docker.Misuse(t, "http://"+r.port("http"), confined)
		})
	}
}
