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

// visitors is how many subscribers of one shard use everything.
const visitors = 3

// namesTable matches statements on tables of user data.
var namesTable = regexp.MustCompile(`(?i)\b(` + strings.Join(userTables(), "|") + `)\b`)

// aboutAll matches the two queries about all subscribers: popular meals, and ratings.
var aboutAll = regexp.MustCompile(`(?is)^\s*SELECT\b.*\bGROUP BY (line\.)?meal_id\b`)

// byUser has subscribers of one shard use everything, and reads the statements of all servers.
func (l *trial) byUser(ctx context.Context, run *lab.Run) error {
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
		run.Report(fmt.Sprintf("statements on server %d for subscribers of shard %d", n.number, theirs), float64(calls), "")
		run.Report(fmt.Sprintf("queries about all subscribers on server %d", n.number), float64(ofAll), "")
	}
	if err := evidence.Keep(Name, "statements.txt", []byte(text.String())); err != nil {
		return err
	}
	if err := failIf(unnamed, "every statement on user data to name its subscriber, except those for popular meals and ratings",
		lab.Look{File: "stores.go", Func: "stores.Read", Hint: "see statements.txt in .workshop/04-sharding"}); err != nil {
		return err
	}
	if err := failIf(stale, "no query about all subscribers on the old server, which holds every subscriber a second time",
		lab.Look{File: "stores.go", Func: "stores.Everywhere", Hint: "which servers are a home by the map? See statements.txt in .workshop/04-sharding"}); err != nil {
		return err
	}
	return failIf(elsewhere, fmt.Sprintf("the requests of %d subscribers of shard %d to reach that shard alone", len(people), theirs),
		lab.Look{File: "stores.go", Func: "stores.Read", Hint: "how many servers does one request reach? See statements.txt in .workshop/04-sharding"})
}

// useEverything has a subscriber write and read everything, on both replicas by turns.
func (l *trial) useEverything(ctx context.Context, p *person) error {
	ordered := p.order()
	for _, w := range []write{p.setCart(), p.setPreferences(), p.setAddresses(), p.rate(), ordered} {
		a, err := l.enter(ctx, p, w.request)
		if err != nil {
			return err
		}
		if !slices.Contains(w.status, a.Status) {
			return &lab.Failure{Expected: w.what + " to be stored", Seen: a.String(), Waited: a.Waited(), Look: lab.Look{File: "stores.go", Func: "stores.Write"}}
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
		if a.Status != http.StatusOK {
			return &lab.Failure{Expected: "GET " + path + " to be answered", Seen: a.String(), Waited: a.Waited(), Look: lab.Look{File: "stores.go", Func: "stores.Read"}}
		}
	}
	return nil
}
