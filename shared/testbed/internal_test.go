package testbed

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/engine"
)

func TestParseCPUMax(t *testing.T) {
	tests := []struct {
		text string
		want float64
		ok   bool
	}{
		{"25000 100000\n", 0.25, true},
		{"25000\n100000\n", 0.25, true},
		{"max 100000", 0, true},
		{"-1\n100000", 0, true},
		{"1000 10000", 0.1, true},
		{"", 0, false},
		{"25000", 0, false},
		{"25000 0", 0, false},
		{"many 100000", 0, false},
		{"1 2 3", 0, false},
	}
	for _, tt := range tests {
		got, err := parseCPUMax(tt.text)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("parseCPUMax(%q) = %v, %v; want %v, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzParseCPUMax(f *testing.F) {
	f.Add("25000 100000")
	f.Add("max 100000")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseCPUMax(text); err == nil && got < 0 {
			t.Errorf("parseCPUMax(%q) = %v: negative", text, got)
		}
	})
}

func TestHostCgroupCPU(t *testing.T) {
	const id = "0123456789ab"
	tests := []struct {
		name  string
		files map[string]string
		want  float64
		ok    bool
	}{
		{"version 1", map[string]string{
			"proc/42/cgroup": "9:cpuset:/docker/" + id + "\n3:cpu,cpuacct:/docker/" + id + "\n0::/\n",
			"sys/fs/cgroup/cpu/docker/" + id + "/cpu.cfs_quota_us":  "10000\n",
			"sys/fs/cgroup/cpu/docker/" + id + "/cpu.cfs_period_us": "100000\n",
		}, 0.1, true},
		{"version 1 without a limit", map[string]string{
			"proc/42/cgroup": "3:cpu:/docker/" + id + "\n",
			"sys/fs/cgroup/cpu/docker/" + id + "/cpu.cfs_quota_us":  "-1\n",
			"sys/fs/cgroup/cpu/docker/" + id + "/cpu.cfs_period_us": "100000\n",
		}, 0, true},
		{"version 2", map[string]string{
			"proc/42/cgroup": "0::/system.slice/docker-" + id + ".scope\n",
			"sys/fs/cgroup/system.slice/docker-" + id + ".scope/cpu.max": "50000 100000\n",
		}, 0.5, true},
		{"a process of another machine", map[string]string{
			"proc/42/cgroup":                   "0::/user.slice\n",
			"sys/fs/cgroup/user.slice/cpu.max": "50000 100000\n",
		}, 0, false},
		{"no such process", nil, 0, false},
		{"no cpu controller", map[string]string{"proc/42/cgroup": "4:memory:/docker/" + id + "\n"}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range tt.files {
				path := filepath.Join(root, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := hostCgroupCPU(root, 42, id)
			if (err == nil) != tt.ok || got != tt.want {
				t.Errorf("got %v, %v; want %v, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestQuotaInForce(t *testing.T) {
	micro := instance.Micro()
	tests := []struct {
		name  string
		quota Quota
		want  bool
	}{
		{"on record and in the kernel", Quota{CPU: 0.25, KernelCPU: 0.25, Verified: true}, true},
		{"on record, kernel not seen", Quota{CPU: 0.25}, true},
		{"on record only", Quota{CPU: 0.25, KernelCPU: 0, Verified: true}, false},
		{"another on record", Quota{CPU: 0.5, KernelCPU: 0.25, Verified: true}, false},
		{"none", Quota{}, false},
	}
	for _, tt := range tests {
		if got := tt.quota.InForce(micro); got != tt.want {
			t.Errorf("%s: in force %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	got := limits(instance.Micro(), 10*time.Millisecond, true)
	if got.CPUPeriod != 10_000 || got.CPUQuota != 2_500 || got.NanoCPUs != 0 {
		t.Errorf("cpu: period %d quota %d nano %d, want 10000, 2500, 0", got.CPUPeriod, got.CPUQuota, got.NanoCPUs)
	}
	if want := int64(512 << 20); got.Memory != want || got.MemorySwap != want {
		t.Errorf("memory %d swap %d, want %d", got.Memory, got.MemorySwap, want)
	}
	if got := limits(instance.Micro(), defaultPeriod, false); got.CPUQuota != 0 || got.Memory == 0 {
		t.Errorf("without CPU: quota %d memory %d, want no quota and some memory", got.CPUQuota, got.Memory)
	}
	if got := limits(instance.Type{}, defaultPeriod, true); got.CPUQuota != 0 || got.Memory != unlimitedMemoryMiB<<20 {
		t.Errorf("no type: quota %d memory %d", got.CPUQuota, got.Memory)
	}
}

func TestUsageSince(t *testing.T) {
	early := Usage{Periods: 10, ThrottledPeriods: 2, ThrottledTime: time.Second, CPU: 3 * time.Second}
	late := Usage{Periods: 30, ThrottledPeriods: 7, ThrottledTime: 4 * time.Second, CPU: 5 * time.Second}
	want := Usage{Periods: 20, ThrottledPeriods: 5, ThrottledTime: 3 * time.Second, CPU: 2 * time.Second}
	if got := late.Since(early); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestListens(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1
   1: 0100007F:1F90 0100007F:0051 01 00000000:00000000 00:00000000 00000000     0        0 12346 1
`
	for port, want := range map[int]bool{80: true, 8080: false, 81: false} {
		if got := listens(table, port); got != want {
			t.Errorf("port %d: %v, want %v", port, got, want)
		}
	}
	if listens("", 80) {
		t.Error("an empty table has a listener")
	}
}

func TestWorkers(t *testing.T) {
	list := func(processes ...string) map[string]bool { return acceptingWorkers(strings.Join(processes, "\n")) }
	const accepts, leaves = " nginx: worker process", " nginx: worker process is shutting down"
	before := list("30"+accepts, "31"+accepts)
	for name, tt := range map[string]struct {
		now  map[string]bool
		want bool
	}{
		"not yet":           {list("30"+accepts, "31"+accepts), false},
		"one still accepts": {list("30"+leaves, "31"+accepts, "40"+accepts), false},
		"all replaced":      {list("30"+leaves, "40"+accepts, "41"+accepts), true},
		"none at all":       {list(), false},
	} {
		if got := replaced(before, tt.now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestPortsAreFreeAndDifferent(t *testing.T) {
	var p ports
	seen := make(map[int]bool)
	for range 200 {
		port, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %d was handed out twice", port)
		}
		if port < firstPort || port >= lastPort {
			t.Fatalf("port %d is outside %d to %d", port, firstPort, lastPort)
		}
		seen[port] = true
	}
}

func TestAddresses(t *testing.T) {
	a, err := newAddresses(netip.MustParsePrefix("172.20.0.0/27"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		ip, err := a.next()
		if err != nil {
			break
		}
		got = append(got, ip.String())
	}
	// 172.20.0.31 is the broadcast address.
	if len(got) != 14 || got[0] != "172.20.0.17" || got[13] != "172.20.0.30" {
		t.Errorf("addresses %v, want 172.20.0.17 to 172.20.0.30", got)
	}
	if _, err := newAddresses(netip.MustParsePrefix("172.20.0.0/30")); err == nil {
		t.Error("a network of four addresses: no error")
	}
}

func TestGoRuntimeEnv(t *testing.T) {
	tests := []struct {
		name string
		typ  instance.Type
		want map[string]string
	}{
		{"small", instance.Micro(), map[string]string{"GOMAXPROCS": "1", "GOMEMLIMIT": "460MiB"}},
		{"one core", instance.Medium(), map[string]string{"GOMAXPROCS": "1", "GOMEMLIMIT": "1843MiB"}},
		{"two cores", instance.Type{CPU: 2, MemoryMiB: 1000}, map[string]string{"GOMEMLIMIT": "900MiB"}},
		{"no type", instance.Type{}, map[string]string{}},
	}
	for _, tt := range tests {
		got := goRuntimeEnv(tt.typ)
		for _, name := range []string{"GOMAXPROCS", "GOMEMLIMIT"} {
			if got[name] != tt.want[name] {
				t.Errorf("%s: %s is %q, want %q", tt.name, name, got[name], tt.want[name])
			}
		}
	}
}

func TestPostgresCommand(t *testing.T) {
	got := postgresCommand(instance.Nano(), []string{"work_mem=16MB", "fsync=off"})
	for _, want := range []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_preload_libraries=pg_stat_statements", "shared_buffers=64MB"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if got[0] != "postgres" || got[len(got)-1] != "fsync=off" {
		t.Errorf("command %v: want the program first and the caller's settings last", got)
	}
}

func TestLoginURL(t *testing.T) {
	l := login{user: "bytebites", password: "p@ss/word", database: "bytebites"}
	const want = "postgres://bytebites:p%40ss%2Fword@127.0.0.1:15432/bytebites?sslmode=disable"
	if got := l.url("127.0.0.1:15432"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStartErrorShowsTheLog(t *testing.T) {
	err := &StartError{Server: "postgres", Err: os.ErrDeadlineExceeded, Logs: "FATAL: no space\n"}
	for _, want := range []string{"start postgres", "FATAL: no space", os.ErrDeadlineExceeded.Error()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
}

func TestReachable(t *testing.T) {
	for host, want := range map[string]bool{
		"unix:///var/run/docker.sock":     true,
		"npipe:////./pipe/docker_engine":  true,
		"tcp://localhost:2375":            true,
		"tcp://127.0.0.1:2375":            true,
		"tcp://[::1]:2375":                true,
		"tcp://192.0.2.7:2376":            false,
		"tcp://engine.example:2376":       false,
		"ssh://somebody@engine.example":   false,
		"tcp://localhost.example.org:237": false,
	} {
		if got := local(host); got != want {
			t.Errorf("%s: local %v, want %v", host, got, want)
		}
	}
	err := reachable("tcp://192.0.2.7:2376", netip.MustParsePrefix("172.20.0.0/16"))
	var unavailable *engine.Unavailable
	if !errors.As(err, &unavailable) || unavailable.Remedy == "" {
		t.Errorf("an engine elsewhere: %v, want an engine.Unavailable with a remedy", err)
	}
}

// A role serves no request, so it gets no secret of the API.
func TestRoleEnvironment(t *testing.T) {
	b := &Bed{}
	b.secrets.staffToken, b.secrets.paymentSecret = "staff", "payment"
	env := b.roleEnv(ServiceOptions{Name: "relay", BrokerURL: "amqp://broker"})
	for name, value := range env {
		if value == "staff" || value == "payment" {
			t.Errorf("a role gets %s", name)
		}
	}
	if env["BYTEBITES_AMQP"] == "" || env["BYTEBITES_METRICS_ADDR"] == "" {
		t.Errorf("got %v", env)
	}
}
