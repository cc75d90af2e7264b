package spec

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

// visitors are people of one shard, who use everything there is.
const visitors = 3

// namesTable finds a table of user data in a statement.
var namesTable = regexp.MustCompile(`(?i)\b(` + strings.Join(userTables(), "|") + `)\b`)

// aboutAll finds the two questions about everybody: what is popular, and how meals are rated.
var aboutAll = regexp.MustCompile(`(?is)^\s*SELECT\b.*\bGROUP BY (line\.)?meal_id\b`)

// byUser has people of one shard use everything, and looks at the statements of all servers.
func (l *trial) byUser(ctx context.Context, run *lab.Run) error {
	if err := l.needsMigration(); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	const theirs = shard.Server(1)
	some, err := l.someOfEach(m, visitors)
	if err != nil {
		return err
	}
	people := slices.DeleteFunc(some, func(p *person) bool { return l.home(m, p).number != theirs })
	if err := l.flush(ctx); err != nil {
		return err
	}
	for _, n := range l.nodes {
		if err := pgstat.Reset(ctx, n.pool); err != nil {
			return err
		}
	}
	for _, p := range people {
		if err := l.useEverything(ctx, p); err != nil {
			return err
		}
	}
	var unnamed, elsewhere, stale []string
	var text strings.Builder
	for _, n := range l.nodes {
		statements, err := pgstat.Read(ctx, n.pool)
		if err != nil {
			return err
		}
		calls, ofAll := int64(0), int64(0)
		for _, s := range statements {
			switch {
			case !namesTable.MatchString(s.Query):
				continue
			case aboutAll.MatchString(s.Query):
				ofAll += s.Calls
				if n.number == shard.Old {
					stale = append(stale, fmt.Sprintf("%d times: %.200s", s.Calls, s.Query))
				}
			default:
				calls += s.Calls
				if !strings.Contains(s.Query, "user_id") {
					unnamed = append(unnamed, fmt.Sprintf("on server %d: %.200s", n.number, s.Query))
				}
				if n.number != theirs {
					elsewhere = append(elsewhere, fmt.Sprintf("on server %d, %d times: %.200s", n.number, s.Calls, s.Query))
				}
			}
			fmt.Fprintf(&text, "server %d, %d times: %s\n", n.number, s.Calls, s.Query)
		}
		run.Report(fmt.Sprintf("statements on server %d for people of shard %d", n.number, theirs), float64(calls), "")
		run.Report(fmt.Sprintf("questions about everybody on server %d", n.number), float64(ofAll), "")
	}
	if err := evidence.Keep(Name, "statements.txt", []byte(text.String())); err != nil {
		return err
	}
	if err := failIf(unnamed, "every statement on user data to say whose rows it wants, but for what is popular and for ratings",
		"stores.go, and statements.txt in "+evidenceFolder); err != nil {
		return err
	}
	if err := failIf(stale, "what is asked about everybody not to be asked of the old server, which has everybody once more",
		"Everywhere in stores.go, and statements.txt in "+evidenceFolder); err != nil {
		return err
	}
	return failIf(elsewhere, fmt.Sprintf("what %d people of shard %d ask for themselves to reach that shard alone", len(people), theirs),
		"stores.go: how many servers does one subscriber's request ask? statements.txt in "+evidenceFolder)
}

// useEverything has somebody write and look at all there is, on both replicas.
func (l *trial) useEverything(ctx context.Context, p *person) error {
	ordered := p.order()
	for _, w := range []write{p.setCart(), p.setPreferences(), p.setAddresses(), p.rate(), ordered} {
		a, err := l.enter(ctx, p, w.request)
		if err != nil {
			return err
		}
		if !slices.Contains(w.status, a.status) {
			return &lab.Failure{Expected: w.what + " to be stored", Seen: fmt.Sprintf("status %d: %.200s", a.status, a.body), Look: lab.Look{Hint: "stores.go"}}
		}
		if err := w.acknowledged(a); err != nil {
			return err
		}
	}
	for _, path := range []string{
		"/me", "/me/addresses", "/cart", "/orders", "/orders/" + string(p.orders[ordered.request.key].id), "/recommendations",
		"/meals/" + string(seed.Meal(3)), "/meals/popular",
	} {
		a, err := l.enter(ctx, p, request{method: http.MethodGet, path: path, cookie: p.cookie})
		if err != nil {
			return err
		}
		if a.status != http.StatusOK {
			return &lab.Failure{Expected: "GET " + path + " to be answered", Seen: fmt.Sprintf("status %d: %.200s", a.status, a.body), Look: lab.Look{Hint: "stores.go"}}
		}
	}
	return nil
}
