package dinner

import (
	"errors"
	"maps"
	"testing"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
)

func TestSumQueries(t *testing.T) {
	paused, dead := errors.New("paused"), errors.New("dead")
	for name, tt := range map[string]struct {
		counts []int64
		errs   []error
		want   map[string]int64
		fails  bool
	}{
		"all answer":          {[]int64{100, 20, 30}, []error{nil, nil, nil}, map[string]int64{"catalogue": 100, "shards": 50}, false},
		"a shard is paused":   {[]int64{100, 20, 0}, []error{nil, nil, paused}, map[string]int64{"catalogue": 100}, false},
		"no catalogue":        {[]int64{0, 20, 30}, []error{paused, nil, nil}, map[string]int64{"shards": 50}, false},
		"nothing answers":     {[]int64{0, 0, 0}, []error{paused, dead, nil}, nil, true},
		"nothing at all does": {[]int64{0, 0}, []error{paused, dead}, nil, true},
	} {
		got, err := sumQueries(tt.counts, tt.errs)
		if !maps.Equal(got, tt.want) || (err != nil) != tt.fails {
			t.Errorf("%s: %v and error %v, want %v", name, got, err, tt.want)
		}
	}
}

func TestCharts(t *testing.T) {
	began := time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)
	seen := Seen{
		Length: 30 * time.Second, Began: began, Events: []Event{{Kind: CacheFlushed, From: 2 * time.Second, To: 3 * time.Second}},
		Queries: map[Part][]chart.Point{Catalogue: {{X: 0.5, Y: 20}, {X: 1.5, Y: 90}}, Shards: {{X: 0.5, Y: 40}}},
		Counts:  []Count{{At: time.Second, Ready: 3}, {At: 2 * time.Second, Ready: 5}},
		Running: []Running{{At: 0, Replicas: 3}, {At: 2 * time.Second, Replicas: 5}, {At: 31 * time.Second, Replicas: 9}},
	}
	books := Books{Orders: []Entry{{Placed: began.Add(time.Second), Done: map[bytebites.Effect]time.Time{
		bytebites.EffectEmail: began.Add(2 * time.Second), bytebites.EffectLedger: began.Add(4 * time.Second),
	}}}}
	at := func(s chart.Series, x float64) float64 {
		for _, p := range s.Points {
			if p.X == x {
				return p.Y
			}
		}
		return -1
	}
	queries, replicas, backlog := seen.QueriesChart("queries"), seen.ReplicasChart("replicas"), seen.BacklogChart("backlog", books)
	cost := seen.CostChart("cost", plan.Plan{
		Replicas: plan.Replicas{Type: instance.Nano()}, Catalogue: plan.Server{Type: instance.Small()}, Shards: plan.Servers{Type: instance.Nano(), Count: 2},
		Workers: plan.Servers{Type: instance.Nano(), Count: 1}, Cache: plan.Cache{Type: instance.Nano()},
	})
	for _, c := range []chart.Chart{queries, replicas, backlog, cost} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		if len(c.Marks) != 1 || c.X.Unit != "s" {
			t.Errorf("%s: marks %v, time in %q", c.Name, c.Marks, c.X.Unit)
		}
	}
	if len(queries.Series) != 2 || at(queries.Series[0], 1.5) != 90 || at(queries.Series[1], 0.5) != 40 {
		t.Errorf("queries %+v", queries.Series)
	}
	if ready, paid := replicas.Series[0], replicas.Series[1]; at(ready, 2) != 5 || at(paid, 0) != 3 || at(paid, 30) != 5 || len(paid.Points) != 3 {
		t.Errorf("replicas %+v", replicas.Series)
	}
	ledger, weeks, mails := backlog.Series[0], backlog.Series[1], backlog.Series[2]
	if at(mails, 0) != 0 || at(mails, 1) != 1 || at(mails, 2) != 0 || at(ledger, 3) != 1 || at(ledger, 4) != 0 || at(weeks, 29) != 1 {
		t.Errorf("backlog %+v", backlog.Series)
	}
	so := cost.Series[0]
	if early, end := at(so, 1), at(so, 30); early <= 0 || end <= early {
		t.Errorf("cost %v after a second, %v at the end", early, end)
	}
}
