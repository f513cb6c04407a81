package check

import (
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
)

// TestStop: from Kubernetes 1.30 on the kubelet waits before it tells the server to stop, which is ready meanwhile; before
// that the server waits itself. After the kubelet it waits for a second, so that clients of kept connections learn of the end.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		version, delay string
		sleep          int64 // 0 is none
		setting        string
	}{
		{"1.36.0", "5s", 5, "1s"},
		{"1.30.0", "5s", 5, "1s"},
		{"1.30.0-rc.1", "1500ms", 2, "1s"},
		{"1.31.2-gke.100", "1m", 60, "1s"},
		{"1.30.0", "0s", 0, "0s"},
		{"1.36.0", "", 0, "0s"},
		{"1.29.15", "5s", 0, "5s"},
		{"1.20.0", "1500ms", 0, "1500ms"},
	} {
		t.Run(c.version+" "+c.delay, func(t *testing.T) {
			t.Parallel()
			o := decode(t, render(t, append(set(served), "--kube-version", c.version, "--set-string", "config.SHUTDOWN_DELAY="+c.delay)...))
			var sleep int64
			if lifecycle := o.spec().Containers[0].Lifecycle; lifecycle != nil {
				sleep = lifecycle.PreStop.Sleep.Seconds
			}
			if got := o.settings(t)["SHUTDOWN_DELAY"]; sleep != c.sleep || got != c.setting {
				t.Errorf("the kubelet sleeps %d s and the server waits %q, want %d s and %q", sleep, got, c.sleep, c.setting)
			}
			checkGracePeriod(t, o)
		})
	}
}

// TestHelmTest: the pod stays until the next test, as helm test --logs reads its log afterwards, and it fetches the site: by
// HTTPS, where HTTP only leads there.
func TestHelmTest(t *testing.T) {
	for values, want := range map[string]string{
		"": "http://demo-previewd:80/",
		"service.port=8080,helmTest.path=/a.html":                                        "http://demo-previewd:8080/a.html",
		"tls.selfSigned=true":                                                            "http://demo-previewd:80/",
		"tls.selfSigned=true,config.HTTPS_REDIRECT=on":                                   "https://demo-previewd:443/",
		"tls.existingSecret=a,config.HTTPS_REDIRECT=443,service.httpsPort=8443":          "https://demo-previewd:8443/",
		"tls.selfSigned=true,config.HTTPS_REDIRECT=off":                                  "http://demo-previewd:80/",
		"config.HTTPS_REDIRECT=443,config.TRUSTED_PROXIES=10.0.0.0/8,fullnameOverride=a": "http://a:80/",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			args := set(served)
			if values != "" {
				args = append(args, set(values)...)
			}
			pod := decode(t, render(t, args...)).pods[0]
			if got := pod.Annotations["helm.sh/hook-delete-policy"]; got != "before-hook-creation" {
				t.Errorf("deleted: %q", got)
			}
			if got := pod.Spec.Containers[0].Args; !slices.Equal(got, []string{"healthcheck", want}) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestWhyItEnded: a server that does not start leaves its last line in the pod's status, where kubectl describe shows it.
func TestWhyItEnded(t *testing.T) {
	if got := decode(t, render(t, set(served)...)).spec().Containers[0].TerminationMessagePolicy; got != core.TerminationMessageFallbackToLogsOnError {
		t.Errorf("got %q", got)
	}
}
