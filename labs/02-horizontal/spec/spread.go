package spec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// copiesOfAll is the number of times that each instance is on the list of a check that hangs up
	// on nginx. For ten seconds nginx sends nothing to a server that failed.
	copiesOfAll = 12
	// listReads are sent with each list.
	listReads = 30
	// hungReads are sent at once while one of three servers hangs up or is silent, so that some
	// of them meet it.
	hungReads = 6
	// slowestControl is the longest time of an answer without nginx that counts. If it takes longer,
	// the machine is busy, and times say nothing about nginx.conf.
	slowestControl = 500 * time.Millisecond
)

// spread counts which server nginx sends each read to.
func (l *trial) spread(ctx context.Context, run *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(1, p.echoes...)); err != nil {
		return err
	}
	counts, waited, err := p.counts(ctx, spreadReads)
	if err != nil {
		return err
	}
	most, least := 0, spreadReads
	for _, e := range p.echoes {
		n := counts[e.Name()]
		run.Report(fmt.Sprintf("of %d reads, by %s", spreadReads, e.Name()), float64(n), "")
		most, least = max(most, n), min(least, n)
	}
	switch {
	case counts[""] > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d reads through nginx to be answered", spreadReads),
			Seen:     p.describe(counts), Waited: waited, Look: confLook(""),
		}
	case float64(most) > maxImbalance*float64(least):
		return &lab.Failure{
			Expected: fmt.Sprintf("the busiest replica to get at most %g times what the idlest gets", maxImbalance),
			Seen:     p.describe(counts), Look: confLook("the upstream block"),
		}
	}
	return nil
}

// listed changes the list and counts who gets requests.
func (l *trial) listed(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	for _, on := range [][]*testbed.Service{p.echoes[:2], p.echoes[2:], p.echoes} {
		if err := p.publish(ctx, p.listOf(1, on...)); err != nil {
			return err
		}
		counts, waited, err := p.counts(ctx, listReads)
		if err != nil {
			return err
		}
		var names []string
		for _, e := range on {
			names = append(names, e.Name())
		}
		for _, e := range p.echoes {
			if (counts[e.Name()] > 0) != slices.Contains(names, e.Name()) || counts[""] > 0 {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d reads to be answered by the replicas on the list, %s, and by no other", listReads, strings.Join(names, " and ")),
					Seen:     p.describe(counts), Waited: waited, Look: confLook("does the upstream block include " + rig.UpstreamsFile + ", and nothing else?"),
				}
			}
		}
	}
	return p.noOther(ctx)
}

// noOther puts one replica on the list that refuses connections. Then no replica may answer.
func (p *proxies) noOther(ctx context.Context) error {
	const closedPort = 1
	if err := p.publish(ctx, fmt.Appendf(nil, "server %s:%d;\n", p.echoes[0].IP(), closedPort)); err != nil {
		return err
	}
	t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: page(0)})
	notes, err := p.notes(ctx, t.id)
	if err != nil {
		return err
	}
	if len(notes) > 0 {
		return &lab.Failure{
			Expected: "an error when the only replica on the list refuses connections, and no request to another",
			Seen:     t.String(), Look: confLook("which servers does the upstream block name beside the list?"),
		}
	}
	return p.publish(ctx, p.listOf(1, p.echoes...))
}

// changes are requests of all kinds that change something, as a browser sends them.
func (p *proxies) changes() []ask {
	json := map[string]string{"Content-Type": "application/json", "Idempotency-Key": "key-1"}
	small := []byte(`{"lines":[]}`)
	return []ask{
		{method: http.MethodPost, path: "/orders", header: json, body: small},
		{method: http.MethodPost, path: "/sessions", header: json, body: small},
		{method: http.MethodPost, path: "/accounts", header: json, body: small},
		{method: http.MethodPost, path: fmt.Sprintf("/meals/%s/ratings", seed.Meal(1)), header: json, body: small},
		{method: http.MethodPost, path: "/webhooks/payments", header: json, body: small},
	}
}

// sentOnce sends POSTs that end badly, and counts how often a replica has received each.
func (l *trial) sentOnce(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(copiesOfAll, p.echoes...)); err != nil {
		return err
	}
	for _, do := range []string{seen.HangUp, "500", "502", "503", "504", "429"} {
		for _, a := range p.changes() {
			a.header = with(a.header, seen.DoHeader, do)
			t := p.send(ctx, p.nginx.URL(), a)
			notes, err := p.notes(ctx, t.id)
			if err != nil {
				return err
			}
			times := 0
			for _, note := range notes {
				if note.Method == a.method {
					times++
				}
			}
			if times > 1 {
				return &lab.Failure{
					Expected: fmt.Sprintf("POST %s to be sent to one replica, which %s", a.path, whatItDid(do)),
					Seen:     fmt.Sprintf("it was sent %d times", times),
					Look:     confLook("proxy_next_upstream, non_idempotent and error_page: which of them sends a POST again?"),
				}
			}
			if late(t) {
				return &lab.Failure{
					Expected: fmt.Sprintf("the client of POST %s to be answered when the replica %s", a.path, whatItDid(do)),
					Seen:     t.String(), Waited: t.waited(), Look: confLook("what does nginx wait for, or send too little of?"),
				}
			}
			if do == seen.HangUp && t.err == nil && t.status < http.StatusInternalServerError {
				return &lab.Failure{
					Expected: fmt.Sprintf("an error for POST %s, which a replica received before it died", a.path),
					Seen:     t.String(), Look: confLook("only the client knows whether to send it again"),
				}
			}
		}
	}
	return nil
}

// late reports whether no answer came in time.
func late(t told) bool {
	var err net.Error
	return errors.As(t.err, &err) && err.Timeout()
}

func whatItDid(do string) string {
	if do == seen.HangUp {
		return "died before it answered"
	}
	return "answered with status " + do
}

// with returns a copy of a header with one more.
func with(header map[string]string, name, value string) map[string]string {
	more := map[string]string{name: value}
	for n, v := range header {
		more[n] = v
	}
	return more
}

// readAgain sends reads at once while one of the servers hangs up on each.
func (l *trial) readAgain(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	for _, dead := range p.echoes {
		if err := p.publish(ctx, p.listOf(1, p.echoes...)); err != nil { // forgets who failed
			return err
		}
		all := p.atOnce(ctx, p.nginx.URL(), ask{method: http.MethodGet, header: map[string]string{seen.DoHeader: seen.HangUpAt + dead.Name()}})
		for _, t := range all {
			if t.err != nil || t.status != http.StatusOK {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d reads to be answered by the other replicas while %s closes each connection without an answer", hungReads, dead.Name()),
					Seen:     t.String(), Look: confLook("proxy_next_upstream: after which failures does nginx ask another replica?"),
				}
			}
		}
	}
	return nil
}

// atOnce sends reads at the same time.
func (p *proxies) atOnce(ctx context.Context, base string, a ask) []told {
	all := make([]told, hungReads)
	var group errgroup.Group
	for i := range all {
		group.Go(func() error {
			one := a
			one.path = page(i)
			all[i] = p.send(ctx, base, one)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the answers
	return all
}

// silentAddress is an address of the bed that no server has. As on a machine without power,
// nothing there answers, not even to refuse a connection.
func (p *proxies) silentAddress() netip.Addr {
	subnet := p.bed.Subnet().Masked()
	last := subnet.Addr().As4()
	for bit := subnet.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(last).Prev() // the last is for broadcasts
}

// silentMachine sends reads while one server on the list does not even refuse a connection.
func (l *trial) silentMachine(ctx context.Context, run *lab.Run) error {
	p := l.proxies
	list := append(fmt.Appendf(nil, "server %s:%d;\n", p.silentAddress(), testbed.ServicePort), p.listOf(1, p.echoes[:2]...)...)
	if err := p.publish(ctx, list); err != nil {
		return err
	}
	read := ask{method: http.MethodGet, limit: load.DefaultTimeout}
	var control []told
	var group errgroup.Group
	group.Go(func() error { control = p.atOnce(ctx, p.echoes[0].URL(), read); return nil })
	all := p.atOnce(ctx, p.nginx.URL(), read)
	_ = group.Wait() // it returns no error
	slowest := time.Duration(0)
	for _, t := range all {
		slowest = max(slowest, t.took)
	}
	run.Report("slowest read while a machine is silent", float64(slowest.Milliseconds()), "ms")
	for _, t := range all {
		if t.err == nil && t.status == http.StatusOK {
			continue
		}
		for _, c := range control {
			if c.err != nil || c.took > slowestControl {
				return &lab.Doubt{
					Reason: fmt.Sprintf("a read without nginx took %s at the same time (%v)", c.took.Round(time.Millisecond), c.err),
					Remedy: "close what else runs on this machine, and check again",
				}
			}
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("every read to be answered within the %s that a client waits, while one of three machines is silent", load.DefaultTimeout),
			Seen:     t.String(), Look: confLook("proxy_connect_timeout: how long does nginx wait for a machine that does not answer at all?"),
		}
	}
	return nil
}
