package engine

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/system"
)

func requireStatus(t *testing.T, f Finding, want Status) {
	t.Helper()
	if f.Status != want {
		t.Errorf("%s is %s (%s), want %s", f.Name, f.Status, f.Detail, want)
	}
	if f.Detail == "" || f.Name == "" {
		t.Errorf("a finding without name or detail: %+v", f)
	}
	if (f.Remedy == "") != (want == OK) {
		t.Errorf("%s is %s and its remedy is %q", f.Name, f.Status, f.Remedy)
	}
}

func TestGoFinding(t *testing.T) {
	requireStatus(t, goFinding("go1.26.0", nil, "go1.26"), OK)
	requireStatus(t, goFinding("go1.27rc1", nil, "go1.26"), OK)
	requireStatus(t, goFinding("go1.25.9", nil, "go1.26"), Fail)
	requireStatus(t, goFinding("", errors.New("not found"), "go1.26"), Fail)
	requireStatus(t, goFinding("devel go1.28-abcdef", nil, "go1.26"), OK)
}

func TestResourceFindings(t *testing.T) {
	for want, findings := range map[Status][]Finding{
		OK:   {diskFinding("/d", 20*gibibyte), memoryFinding(8 * gibibyte), coresFinding(2)},
		Warn: {diskFinding("/d", 5*gibibyte), memoryFinding(3 * gibibyte), coresFinding(1)},
		Fail: {diskFinding("/d", gibibyte), memoryFinding(gibibyte)},
	} {
		for _, f := range findings {
			requireStatus(t, f, want)
		}
	}
}

func TestDiskOfAVirtualMachine(t *testing.T) {
	requireStatus(t, probeDisk(t.Context(), "/no/such/folder"), Warn)
}

func TestEngineFinding(t *testing.T) {
	requireStatus(t, engineFinding(nil, &Unavailable{Problem: "none", Remedy: "get one", Err: errors.New("a\nb")}), Fail)
	requireStatus(t, engineFinding(nil, context.DeadlineExceeded), Fail)
}

func TestQuotaFindings(t *testing.T) {
	requireStatus(t, quotaFinding(0.21, nil), OK)
	requireStatus(t, quotaFinding(0.98, nil), Fail)
	requireStatus(t, quotaFinding(0, errors.New("no image")), Warn)
	f, final := quotaFromInfo(system.Info{OSType: "linux"})
	requireStatus(t, f, Fail)
	if !final {
		t.Error("an engine without quotas is tried out")
	}
}

func TestRegistryFinding(t *testing.T) {
	onLinux := registryFinding("postgres:17", errors.New("no answer"), true)
	requireStatus(t, onLinux, Warn)
	if elsewhere := registryFinding("postgres:17", errors.New("no answer"), false); elsewhere.Remedy == onLinux.Remedy {
		t.Error("images are said to be built where they cannot be")
	}
}

func TestPorts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	requireStatus(t, probePorts([]int{port}, nil)[0], Warn)
	held := probePorts([]int{port}, map[int]string{port: "stack_nginx_1"})[0]
	requireStatus(t, held, Warn)
	if !strings.Contains(held.Detail, "stack_nginx_1") {
		t.Errorf("the container that holds the port is not named: %q", held.Detail)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	requireStatus(t, probePorts([]int{port}, nil)[0], OK)
}

func TestDiagnoseOnARealEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	findings := Diagnose(ctx, Checkup{Ports: []int{0}, Registry: "postgres:17", Go: "go1.26"})
	seen := make(map[string]Status)
	for _, f := range findings {
		t.Logf("%-16s %-4s %s", f.Name, f.Status, f.Detail)
		seen[f.Name] = f.Status
	}
	for _, name := range []string{"Go", "Docker engine", "memory", "disk", "CPU quota"} {
		if got, there := seen[name]; !there || got == Fail {
			t.Errorf("%s is %q where containers run", name, got)
		}
	}
}
