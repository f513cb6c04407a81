package config

import (
	"testing"
	"testing/fstest"
)

func TestTaskLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64 // 0: not found
	}{
		{"v2", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/pids.max": "64\n"}, 64},
		{"v2, max", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/pids.max": "max\n"}, 0},
		{"v1, without a namespace", map[string]string{
			"proc/self/cgroup":            "8:pids:/docker/abc\n5:memory:/docker/x\n",
			"sys/fs/cgroup/pids/pids.max": "64\n",
		}, 64},
		{"v1, the parent has less", map[string]string{
			"proc/self/cgroup":                "8:pids:/a/b\n",
			"sys/fs/cgroup/pids/a/b/pids.max": "max\n",
			"sys/fs/cgroup/pids/a/pids.max":   "32\n",
		}, 32},
		{"nothing", nil, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, found := TaskLimit(root); found != (c.want != 0) || got != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.name, got, found, c.want)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	const none = "9223372036854771712\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64 // 0: not found
	}{
		{"nothing", nil, 0},
		{"v2, a container with its namespace", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "67108864\n",
		}, 64 << 20},
		{"v2, a container without a namespace", map[string]string{
			"proc/self/cgroup":         "0::/docker/abc\n",
			"sys/fs/cgroup/memory.max": "67108864\n",
		}, 64 << 20},
		{"v2, the parent has less", map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.service/c\n",
			"sys/fs/cgroup/a.slice/b.service/c/memory.max": "max\n",
			"sys/fs/cgroup/a.slice/b.service/memory.max":   "3000\n",
			"sys/fs/cgroup/a.slice/memory.max":             "2000\n",
		}, 2000},
		{"v2, the group has less", map[string]string{
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "1000\n",
			"sys/fs/cgroup/a/memory.max":   "2000\n",
		}, 1000},
		{"v2, another's limit", map[string]string{
			"proc/self/cgroup":             "0::/a\n",
			"sys/fs/cgroup/b/memory.max":   "1000\n",
			"sys/fs/cgroup/a/c/memory.max": "1000\n",
		}, 0},
		{"v2, max", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "max\n",
		}, 0},
		{"v2, out of the namespace", map[string]string{
			"proc/self/cgroup":         "0::/../../other\n",
			"sys/fs/cgroup/memory.max": "1000",
		}, 1000},
		{"v2, no proc", map[string]string{"sys/fs/cgroup/memory.max": "1000\n"}, 1000},
		{"v1", map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/x\n5:memory:/docker/abc\n1:name=systemd:/y\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "67108864\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            none,
		}, 64 << 20},
		{"v1, with other controllers, without a namespace", map[string]string{
			"proc/self/cgroup":                           "5:cpu,memory:/docker/abc\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
		}, 1000},
		{"v1, none", map[string]string{
			"proc/self/cgroup":                           "5:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": none,
		}, 0},
		{"hybrid: v2 has no memory controller", map[string]string{
			"proc/self/cgroup": "5:memory:/a:b\n0::/c\n",
			"sys/fs/cgroup/memory/a:b/memory.limit_in_bytes": "1000\n",
		}, 1000},
		{"nonsense", map[string]string{
			"proc/self/cgroup":                           "\n:\n0:\x00",
			"sys/fs/cgroup/memory.max":                   "-5\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "many\n",
		}, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got, found := MemoryLimit(root)
		if found != (c.want != 0) || found && got != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.name, got, found, c.want)
		}
	}
}
