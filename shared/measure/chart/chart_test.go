package chart_test

import (
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
)

func TestValidate(t *testing.T) {
	good := func() chart.Chart {
		return chart.Chart{
			Name: "latency over time", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "latency", Unit: "ms"},
			Series: []chart.Series{{Name: "mean", Points: []chart.Point{{X: 0, Y: 1}, {X: 1, Y: 2}}}},
			Marks:  []chart.Mark{{Name: "replica killed", From: 0.5, To: 0.5}},
		}
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good chart: %v", err)
	}
	for name, test := range map[string]struct {
		spoil func(*chart.Chart)
		want  string
	}{
		"no name":          {func(c *chart.Chart) { c.Name = "" }, "want a name"},
		"no axis":          {func(c *chart.Chart) { c.Y.Name = "" }, "want a name"},
		"no series":        {func(c *chart.Chart) { c.Series = nil }, "want a name"},
		"series unnamed":   {func(c *chart.Chart) { c.Series[0].Name = "" }, "has no name"},
		"points backwards": {func(c *chart.Chart) { c.Series[0].Points[1].X = -1 }, "not sorted"},
		"mark backwards":   {func(c *chart.Chart) { c.Marks[0].To = 0 }, "ends before"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			test.spoil(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
