package engine

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/shirou/gopsutil/v4/disk"
)

// Status is the result of a probe.
type Status string

// The states. Fail means that the workshop cannot run. Warn means that a part of it cannot
// run, or that its measurements may be inconclusive.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is the result of one probe.
type Finding struct {
	Name   string
	Status Status
	Detail string // the observation
	Remedy string // how to correct the problem; empty when OK
}

// Checkup configures Diagnose.
type Checkup struct {
	// Ports must be free on loopback.
	Ports []int
	// Shell is an image that has a shell, such as a server's. The probe of the CPU quota
	// runs in it. When empty, the quota is not probed.
	Shell string
	// Registry is an image to look up in the registry, such as postgres:17.
	Registry string
	// Go is the oldest Go version that can build the workshop, such as go1.26.
	Go string
}

// probeTimeout bounds each probe.
const probeTimeout = 15 * time.Second

// Diagnose probes the conditions under which the workshop runs and measures well. It changes
// nothing, except that it runs one container for a second.
func Diagnose(ctx context.Context, c Checkup) []Finding {
	findings := []Finding{probeGo(ctx, c.Go)}
	connecting, cancel := context.WithTimeout(ctx, probeTimeout)
	e, err := Connect(connecting)
	cancel()
	findings = append(findings, engineFinding(e, err))
	findings = append(findings, newFinder().configFindings()...)
	if err != nil {
		return append(findings, probePorts(c.Ports, nil)...)
	}
	defer func() { _ = e.Close() }() // idle connections of a process about to end
	info, err := probe(ctx, func(ctx context.Context) (client.SystemInfoResult, error) { return e.Info(ctx, client.InfoOptions{}) })
	if err != nil {
		findings = append(findings, Finding{"engine information", Fail, err.Error(), "restart the Docker engine"})
	} else {
		findings = append(findings, coresFinding(info.Info.NCPU), memoryFinding(info.Info.MemTotal), probeDisk(ctx, info.Info.DockerRootDir))
		findings = append(findings, e.probeQuota(ctx, info.Info, c.Shell))
	}
	published, err := probe(ctx, e.publishedPorts)
	if err != nil {
		published = nil // only the name of a port's holder is missing then
	}
	findings = append(findings, probePorts(c.Ports, published)...)
	return append(findings, e.probeRegistry(ctx, c.Registry))
}

func probe[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return f(ctx)
}

func probeGo(ctx context.Context, oldest string) Finding {
	got, err := probe(ctx, func(ctx context.Context) (string, error) {
		out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
		return strings.TrimSpace(string(out)), err
	})
	return goFinding(got, err, oldest)
}

func goFinding(got string, err error, oldest string) Finding {
	const remedy = "install a later Go: https://go.dev/doc/install"
	switch {
	case err != nil:
		return Finding{"Go", Fail, fmt.Sprintf("the go command does not run: %v", err), remedy}
	case version.IsValid(got) && oldest != "" && version.Compare(got, oldest) < 0:
		return Finding{"Go", Fail, fmt.Sprintf("%s is older than %s", got, oldest), remedy}
	}
	return Finding{Name: "Go", Status: OK, Detail: got}
}

// configFindings warns of a configuration of the docker command that cannot be read. The workshop
// and the docker command go on without it.
func (f finder) configFindings() []Finding {
	_, err := f.configuredContext()
	var unreadable *Unavailable
	if !errors.As(err, &unreadable) {
		return nil
	}
	return []Finding{{"docker configuration", Warn, fmt.Sprintf("%s: %v; the default engine is used", unreadable.Problem, unreadable.Err), unreadable.Remedy}}
}

func engineFinding(e *Engine, err error) Finding {
	const name = "Docker engine"
	var missing *Unavailable
	switch {
	case errors.As(err, &missing):
		detail := missing.Problem
		if missing.Err != nil {
			detail += ": " + strings.ReplaceAll(missing.Err.Error(), "\n", "; ")
		}
		return Finding{name, Fail, detail, missing.Remedy}
	case err != nil:
		return Finding{name, Fail, err.Error(), "start the Docker engine"}
	}
	return Finding{Name: name, Status: OK, Detail: "answers at " + e.Host() + ", API " + e.ClientVersion()}
}

const gibibyte = 1 << 30

// The resources that the images, two seeded databases and a lab's containers need.
const (
	diskNeeded   = 3 * gibibyte
	diskWanted   = 8 * gibibyte
	memoryNeeded = 2 * gibibyte
	memoryWanted = 4 * gibibyte
	coresWanted  = 2
)

func coresFinding(cores int) Finding {
	if cores < coresWanted {
		return Finding{"cores", Warn, fmt.Sprintf("the engine has %d", cores),
			fmt.Sprintf("give it %d: with fewer, the load generator and the servers compete for CPU, and gains are inconclusive", coresWanted)}
	}
	return Finding{Name: "cores", Status: OK, Detail: strconv.Itoa(cores)}
}

func memoryFinding(total int64) Finding {
	f := Finding{Name: "memory", Status: OK, Detail: fmt.Sprintf("the engine has %.1f GiB", float64(total)/gibibyte)}
	switch {
	case total < memoryNeeded:
		f.Status, f.Remedy = Fail, fmt.Sprintf("give the engine at least %d GiB (Docker Desktop: Settings, Resources)", memoryNeeded/gibibyte)
	case total < memoryWanted:
		f.Status, f.Remedy = Warn, fmt.Sprintf("labs with many servers need %d GiB (Docker Desktop: Settings, Resources)", memoryWanted/gibibyte)
	}
	return f
}

func probeDisk(ctx context.Context, root string) Finding {
	usage, err := probe(ctx, func(ctx context.Context) (*disk.UsageStat, error) { return disk.UsageWithContext(ctx, root) })
	if err != nil {
		return Finding{"disk", Warn, fmt.Sprintf("the engine keeps images in %s, which is not on a disk of this machine", filepath.ToSlash(root)),
			"check that its virtual machine has some GiB free: docker system df"}
	}
	return diskFinding(root, usage.Free)
}

func diskFinding(root string, free uint64) Finding {
	f := Finding{Name: "disk", Status: OK, Detail: fmt.Sprintf("%.1f GiB free for the engine in %s", float64(free)/gibibyte, root)}
	const remedy = "free some space: docker system df shows Docker's own share"
	switch {
	case free < diskNeeded:
		f.Status, f.Remedy = Fail, fmt.Sprintf("at least %d GiB are needed; %s", diskNeeded/gibibyte, remedy)
	case free < diskWanted:
		f.Status, f.Remedy = Warn, fmt.Sprintf("%d GiB are recommended; %s", diskWanted/gibibyte, remedy)
	}
	return f
}

// probePorts tries each port. published names the containers that hold ports.
func probePorts(ports []int, published map[int]string) []Finding {
	findings := make([]Finding, 0, len(ports))
	for _, port := range ports {
		name := fmt.Sprintf("port %d", port)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not block
		if err == nil {
			err = listener.Close()
		}
		switch holder := published[port]; {
		case err == nil:
			findings = append(findings, Finding{Name: name, Status: OK, Detail: "free"})
		case holder != "":
			findings = append(findings, Finding{name, Warn, "taken by the container " + holder, "if that is an earlier stack of the workshop: go tool workshop down; else: docker stop " + holder})
		default:
			findings = append(findings, Finding{name, Warn, fmt.Sprintf("cannot be used: %v", err), "stop the program that listens there, or set another port in .env"})
		}
	}
	return findings
}

func (e *Engine) publishedPorts(ctx context.Context) (map[int]string, error) {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	published := make(map[int]string)
	for _, c := range list.Items {
		name := c.ID
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		for _, p := range c.Ports {
			if p.PublicPort != 0 {
				published[int(p.PublicPort)] = name
			}
		}
	}
	return published, nil
}

// registryTimeout is short, because most networks without a registry give no answer at all.
const registryTimeout = 5 * time.Second

func (e *Engine) probeRegistry(ctx context.Context, ref string) Finding {
	const name = "image registry"
	if ref == "" {
		return Finding{Name: name, Status: OK, Detail: "not asked"}
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	if _, err := e.DistributionInspect(ctx, ref, client.DistributionInspectOptions{}); err != nil {
		return registryFinding(ref, err, runtime.GOOS == "linux")
	}
	return Finding{Name: name, Status: OK, Detail: "has " + ref}
}

func registryFinding(ref string, err error, linux bool) Finding {
	remedy := "images cannot be built here: load a bundle from another machine (go tool workshop images load FILE)"
	if linux {
		remedy = "nothing, if the images are present or a Debian mirror is reachable: the workshop then builds them (as root, about 90 s, once)"
	}
	return Finding{"image registry", Warn, fmt.Sprintf("cannot find %s: %v", ref, err), remedy}
}

// quotaFromInfo judges the engine's own information on quotas. A final finding needs no test.
func quotaFromInfo(info system.Info) (f Finding, final bool) {
	const name = "CPU quota"
	if info.OSType == "linux" && !info.CPUCfsQuota {
		return Finding{name, Fail, "the engine's kernel has no CPU quotas", quotaRemedy}, true
	}
	return Finding{Name: name, Status: OK, Detail: "the engine supports it (not tested)"}, false
}

const quotaRemedy = "use an engine whose kernel has CFS bandwidth control (CONFIG_CFS_BANDWIDTH) and whose cgroup cpu controller is on; rootless engines need delegation of cpu: https://docs.docker.com/engine/security/rootless/"
