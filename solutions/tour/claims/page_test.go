package claims_test

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/page"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The page holds the cells of the table and the reasons, and draws each chart that has data.
func TestPage(t *testing.T) {
	story := claims.Story{CPUs: 2, Slowness: 0.5, Seconds: 300, Rows: []claims.Row{
		{
			Name: "replicas", Lab: "02", Claim: "three replicas", Story: "800 to 200 ms", Under: "a rush of orders",
			Before: claims.Figure{Value: 812, Unit: "ms"}, After: claims.Figure{Value: 95, Unit: "ms"}, Change: "8.5x", Verdict: claims.Holds,
			Details: []string{"No request failed."},
			Loads: []claims.Load{
				{Name: "one replica", Percentiles: points(400, 900)}, {Name: "three replicas", Percentiles: points(40, 90)},
			},
		},
		{Name: "queries", Lab: "03", Claim: "fewer queries", Story: "70 % fewer", Under: "browsing", Verdict: claims.Untold, Reasons: []string{"the host was <busy>"}},
	}}
	var b bytes.Buffer
	if err := page.Render(&b, story.Page()); err != nil {
		t.Fatal(err)
	}
	text := html.UnescapeString(b.String())
	want := []string{"a rush of orders", "No request failed.", "the host was <busy>", "2 times as fast as the reference machine", "lab 02: three replicas", "300.0 s"}
	for _, row := range story.Rows {
		want = append(want, row.Cells()...)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
	if strings.Contains(text, "cannot be drawn") {
		t.Error("a chart cannot be drawn")
	}
	if n := strings.Count(text, "<figure"); n != len(story.Charts()) || n == 0 {
		t.Errorf("%d charts are drawn of %d", n, len(story.Charts()))
	}
	b.Reset()
	if err := page.Render(&b, (&claims.Story{}).Page()); err != nil {
		t.Errorf("an empty story: %v", err)
	}
}

func points(p50, p99 float64) []chart.Point { return []chart.Point{{X: 50, Y: p50}, {X: 99, Y: p99}} }
