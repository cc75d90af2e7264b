package dinner

import (
	"errors"
	"maps"
	"testing"
	"time"

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

func TestQueriesChart(t *testing.T) {
	seen := Seen{
		Length: 30 * time.Second, Events: []Event{{Kind: CacheFlushed, From: 2 * time.Second, To: 3 * time.Second}},
		Queries: map[Part][]chart.Point{Catalogue: {{X: 0.5, Y: 20}, {X: 1.5, Y: 90}}, Shards: {{X: 0.5, Y: 40}}},
	}
	c := seen.QueriesChart("queries in the rush")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(c.Series) != 2 || c.Series[0].Name != "catalogue" || len(c.Series[0].Points) != 2 || len(c.Series[1].Points) != 1 || len(c.Marks) != 1 {
		t.Errorf("chart %+v", c)
	}
}
