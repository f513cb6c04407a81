package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
)

// checkContainers wants what every container should have: a fixed image, bounded memory, volumes that exist and
// are mounted once, every name once.
func checkContainers(t *testing.T, o *objects) {
	for _, spec := range []*core.PodSpec{o.spec(), &o.pods[0].Spec} {
		volumes := map[string]bool{}
		for _, v := range spec.Volumes {
			if volumes[v.Name] {
				t.Errorf("volume %s is there twice", v.Name)
			}
			volumes[v.Name] = true
		}
		if *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks || spec.HostNetwork || spec.HostPID || spec.HostIPC {
			t.Error("the pod has a token, service links or a part of the host")
		}
		names := map[string]bool{}
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			if names[c.Name] {
				t.Errorf("container %s is there twice", c.Name)
			}
			names[c.Name] = true
			if c.Image == "" || strings.HasSuffix(c.Image, ":latest") || !strings.Contains(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":") {
				t.Errorf("%s: image %s has no fixed tag", c.Name, c.Image)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources %+v", c.Name, c.Resources)
			}
			if !*c.SecurityContext.ReadOnlyRootFilesystem {
				t.Errorf("%s: its root can be written to", c.Name)
			}
			variables := map[string]bool{}
			for _, e := range c.Env {
				if variables[e.Name] {
					t.Errorf("%s: variable %s is there twice", c.Name, e.Name)
				}
				variables[e.Name] = true
			}
			paths := map[string]bool{}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] || paths[m.MountPath] {
					t.Errorf("%s: %s at %s does not exist, or is the second there", c.Name, m.Name, m.MountPath)
				}
				paths[m.MountPath] = true
				if m.Name == "content" && c.Name == "previewd" && !m.ReadOnly {
					t.Error("the server can write to the content")
				}
			}
		}
	}
	server := o.spec().Containers[0]
	for path, probe := range map[string]*core.Probe{"/livez": server.LivenessProbe, "/livez ": server.StartupProbe, "/readyz": server.ReadinessProbe} {
		if probe == nil || probe.HTTPGet.Path != strings.TrimSpace(path) || probe.HTTPGet.Port.StrVal != "admin" || probe.HTTPGet.Scheme != "" {
			t.Errorf("the probe of %s: %+v", path, probe)
		}
	}
}

// checkGracePeriod wants time for the wait before it, the drain and a little more; after the kubelet has waited the server does so for a second.
func checkGracePeriod(t *testing.T, o *objects) {
	settings := o.settings(t)
	var sum time.Duration
	if lifecycle := o.spec().Containers[0].Lifecycle; lifecycle != nil {
		sum = time.Duration(lifecycle.PreStop.Sleep.Seconds) * time.Second
		if settings["SHUTDOWN_DELAY"] != "1s" {
			t.Errorf("the kubelet waits %v, and then the server %s", sum, settings["SHUTDOWN_DELAY"])
		}
	}
	for _, variable := range []string{"SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT"} {
		d, err := time.ParseDuration(settings[variable])
		if err != nil {
			t.Errorf("%s: %v", variable, err)
		}
		sum += d
	}
	grace := time.Duration(*o.spec().TerminationGracePeriodSeconds) * time.Second
	if grace < sum+5*time.Second || grace > sum+7*time.Second {
		t.Errorf("the grace period is %v, delay and timeout together %v", grace, sum)
	}
}

// checkSecurity asks Kubernetes' own Pod Security rules: restricted, or not even baseline for paths of the host.
func checkSecurity(t *testing.T, o *objects, restricted bool) {
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range []struct {
		meta *meta.ObjectMeta
		spec *core.PodSpec
		want bool
	}{
		{&o.deployment().Spec.Template.ObjectMeta, o.spec(), restricted},
		{&o.pods[0].ObjectMeta, &o.pods[0].Spec, true},
	} {
		for level, want := range map[podsecurity.Level]bool{podsecurity.LevelRestricted: pod.want, podsecurity.LevelBaseline: pod.want, podsecurity.LevelPrivileged: true} {
			result := security.AggregateCheckResults(evaluator.EvaluatePod(podsecurity.LevelVersion{Level: level, Version: podsecurity.LatestVersion()}, pod.meta, pod.spec))
			if result.Allowed != want {
				t.Errorf("%s allows it: %v, want %v: %s", level, result.Allowed, want, result.ForbiddenDetail())
			}
		}
	}
}

// TestGitSecret: git-sync is in the group that the Secret is readable for, and no group is chosen where the cluster
// is to choose it.
func TestGitSecret(t *testing.T) {
	for values, want := range map[string]int64{
		"":                                 65533,
		"podSecurityContext.fsGroup=7":     7,
		"content.git.securityContext=null": 65532,
		"content.git.securityContext.runAsGroup=7":                                       7,
		"content.git.securityContext=null,podSecurityContext.runAsGroup=7":               7,
		"content.git.securityContext=null,podSecurityContext.runAsGroup=null":            0,
		"content.git.securityContext.runAsGroup=null,podSecurityContext.runAsGroup=null": 0,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			args := set("content.git.repository=https://example.com/site", "content.git.secret=site")
			if values != "" {
				args = append(args, set(values)...)
			}
			got := decode(t, render(t, args...)).spec().SecurityContext.FSGroup
			if want == 0 && got != nil || want != 0 && (got == nil || *got != want) {
				t.Errorf("got %v, want %d", got, want)
			}
		})
	}
}
