package spec

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// spreadReads is the number of reads that are counted by replica. A choice by chance gives
	// 240 of them to each, and exceeds maxImbalance once in ten thousand times.
	spreadReads = 720
	// maxImbalance bounds the requests of the busiest replica over those of the idlest.
	maxImbalance = 1.5
	// slowCPU is the quota of the slow replica, in cores. Meanwhile slowVisitors send
	// slowReads at once.
	slowCPU      = 0.01
	slowReads    = 120
	slowVisitors = 12
	// keptReads are sent one after another over one connection to nginx. nginx may open
	// maxOpened connections to the replicas for them.
	keptReads = 200
	maxOpened = 20
	// logLines is far more than a replica writes between an answer and the read of its log.
	// The log is read every logPause until logTimeout.
	logLines   = 200
	logPause   = 50 * time.Millisecond
	logTimeout = 5 * time.Second
)

// page is a page of the menu, another one each time.
func page(n int) string { return fmt.Sprintf("/meals/%s", seed.Meal(1+n%50)) }

// read has visitors read pages through nginx, all at once or in turn. It counts the answers
// by replica, and under "" the reads without an answer.
func (l *trial) read(ctx context.Context, reads, visitors int, atOnce bool) map[string]int {
	counts := make(map[string]int)
	for _, r := range l.fleet.Replicas {
		counts[r.Name()] = 0
	}
	var mu sync.Mutex
	var group errgroup.Group
	if !atOnce {
		group.SetLimit(1)
	}
	// A turn is one read when they take turns, else all that a visitor reads.
	turns, each := reads, 1
	if atOnce {
		turns, each = visitors, reads/visitors
	}
	crowd := make([]*visitor, visitors)
	for i := range crowd {
		crowd[i] = newVisitor()
		defer crowd[i].close()
	}
	for turn := range turns {
		group.Go(func() error {
			for n := range each {
				r, err := crowd[turn%visitors].get(ctx, l.fleet.Nginx.URL()+page(turn+n))
				if err != nil || r.status != http.StatusOK {
					r.instance = ""
				}
				mu.Lock()
				counts[r.instance]++
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is counted
	return counts
}

// describe tells counts by replica.
func (l *trial) describe(counts map[string]int) string {
	var parts []string
	for _, r := range l.fleet.Replicas {
		parts = append(parts, fmt.Sprintf("%d by %s", counts[r.Name()], r.Name()))
	}
	if n := counts[""]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d not answered", n))
	}
	return strings.Join(parts, ", ")
}

// slowReplica makes one replica slow and counts the requests that it gets under load.
func (l *trial) slowReplica(ctx context.Context, run *lab.Run) error {
	// The health checks end here: a slow replica answers them late too, and would be taken
	// off the list.
	if err := l.fleet.StopAsking(); err != nil {
		return err
	}
	slow := l.fleet.Replicas[0]
	crawling := size().FullSpeed()
	crawling.Name, crawling.CPU = "slow", slowCPU
	if err := slow.Resize(ctx, crawling); err != nil {
		return err
	}
	counts := l.read(ctx, slowReads, slowVisitors, true)
	if err := slow.Resize(ctx, size().FullSpeed()); err != nil {
		return err
	}
	others := 0
	for _, r := range l.fleet.Replicas[1:] {
		others += counts[r.Name()]
	}
	got, fair := counts[slow.Name()], float64(others)/float64(len(l.fleet.Replicas)-1)
	run.Report("requests to a slow replica, of those to another", 100*float64(got)/max(fair, 1), "%")
	if float64(got) > fair/2 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s, slowed down to %g CPU, to get at most half of what the others get", slow.Name(), slowCPU),
			Seen:     l.describe(counts), Look: lab.Look{File: "nginx.conf", Hint: "add least_conn to the upstream block: it prefers the replica with the fewest open requests"},
		}
	}
	return nil
}

// forged is the address that a visitor claims. Its range is reserved for examples (RFC 5737),
// so no client really has it.
const forged = "203.0.113.7"

// clientAddresses sends a wrong password, through nginx with a forged address and straight
// to a replica. Both come from the same address, and the log must say so.
func (l *trial) clientAddresses(ctx context.Context, _ *lab.Run) error {
	want, err := l.loggedAddress(ctx, l.fleet.Replicas[0].URL(), nil)
	if err != nil {
		return err
	}
	for _, header := range []map[string]string{{}, {"X-Forwarded-For": forged}, {"X-Forwarded-For": forged + ", " + forged}} {
		got, err := l.loggedAddress(ctx, l.fleet.Nginx.URL(), header)
		if err != nil {
			return err
		}
		if got != want {
			sent := "no X-Forwarded-For"
			if text := header["X-Forwarded-For"]; text != "" {
				sent = "X-Forwarded-For: " + text
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("the replica's log to say that a visitor who sends %s comes from %s", sent, want),
				Seen:     fmt.Sprintf("%q (nginx is %s)", got, l.fleet.Nginx.IP()),
				Look:     lab.Look{File: "nginx.conf", Hint: "proxy_set_header X-Forwarded-For, and $remote_addr"},
			}
		}
	}
	return nil
}

// loggedAddress sends a wrong password and returns the client's address in the log of the
// replica that refused it.
func (l *trial) loggedAddress(ctx context.Context, base string, header map[string]string) (string, error) {
	id := rand.Text()
	sent := map[string]string{"X-Request-Id": id}
	for name, value := range header {
		sent[name] = value
	}
	v := newVisitor()
	defer v.close()
	r, err := v.send(ctx, http.MethodPost, base+"/sessions", credentials(0, "a guess"), sent)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusUnauthorized {
		return "", &lab.Failure{Expected: "a wrong password to be refused", Seen: fmt.Sprintf("status %d", r.status), Look: lab.Look{File: "sessions.go", Func: "Sessions.Create"}}
	}
	// The answer may arrive before the replica has written the line about it.
	for deadline := time.Now().Add(logTimeout); ; {
		logs, err := l.replica(r.instance).Logs(ctx, logLines)
		if err != nil {
			return "", err
		}
		if client, ok := refusedClient(logs, id); ok {
			return client, nil
		}
		if time.Now().After(deadline) {
			return "", &lab.Failure{
				Expected: fmt.Sprintf("the log of %s to name a request by the X-Request-Id that the visitor sent", r.instance),
				Seen:     fmt.Sprintf("no such line within %s", logTimeout), Waited: lab.Last(logTimeout),
				Look: lab.Look{File: "nginx.conf", Hint: "leave X-Request-Id as it is: remove the proxy_set_header that replaces it"},
			}
		}
		if err := rig.Pause(ctx, logPause); err != nil {
			return "", err
		}
	}
}

// refusedClient finds the client's address of a refused sign-in in a service's log.
func refusedClient(logs, request string) (client string, ok bool) {
	for line := range strings.Lines(logs) {
		var entry struct {
			Message string `json:"msg"`
			Request string `json:"request_id"`
			Client  string `json:"client"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "sign-in refused" && entry.Request == request {
			return entry.Client, true
		}
	}
	return "", false
}

// keptConnections counts the connections that nginx opens while one visitor reads.
func (l *trial) keptConnections(ctx context.Context, run *lab.Run) error {
	before, err := l.opened(ctx)
	if err != nil {
		return err
	}
	l.read(ctx, keptReads, 1, false)
	after, err := l.opened(ctx)
	if err != nil {
		return err
	}
	run.Report(fmt.Sprintf("connections to replicas opened for %d reads", keptReads), float64(after-before), "")
	if after-before > maxOpened {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d connections to be opened for %d reads, one after another", maxOpened, keptReads),
			Seen:     strconv.Itoa(after - before),
			Look:     lab.Look{File: "nginx.conf", Hint: "keepalive, which needs HTTP/1.1 and an empty Connection header"},
		}
	}
	return nil
}

// opened is how many connections nginx has opened since it started, as the kernel counts
// them.
func (l *trial) opened(ctx context.Context) (int, error) {
	table, err := l.fleet.Nginx.Exec(ctx, "cat", "/proc/net/snmp")
	if err != nil {
		return 0, err
	}
	return activeOpens(table)
}

// activeOpens reads the counter of that name from a table as in proc(5), /proc/net/snmp:
// for each protocol a line of names and one of values.
func activeOpens(table string) (int, error) {
	var names []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "ActiveOpens" && i < len(fields) {
				return strconv.Atoi(fields[i])
			}
		}
	}
	return 0, fmt.Errorf("count connections: no ActiveOpens in %.300q", table)
}
