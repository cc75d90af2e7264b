package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"bytebites.example/workshop/shared/workshop/lab"
)

// plainSheet returns a sheet without colours.
func plainSheet(m marks, columns int) Sheet {
	return Sheet{Styles: NewStyles(nil, false), marks: m, columns: columns}
}

// golden compares a text with a file in testdata. With UPDATE_GOLDEN=1 it writes the file
// instead, and a person reads the diff.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 updates it); got:\n%s\nwant:\n%s", path, got, want)
	}
}

// fixture is a result with the note that its report gets.
type fixture struct {
	lab.Result
	Note string
}

// readFixture reads a result from testdata.
func readFixture(t *testing.T, name string) fixture {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return f
}

func TestReports(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) < 4 {
		t.Fatalf("found %v, %v", inputs, err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".json")
		t.Run(name, func(t *testing.T) {
			k := readFixture(t, name+".json")
			text := plainSheet(unicodeMarks(), minColumns).Report("Lab "+k.Lab+", your code", k.Note, k.Result)
			golden(t, name+".txt", text)
			golden(t, name+".md", Markdown("Lab "+k.Lab+", your code", k.Note, k.Result))
			ascii := plainSheet(asciiMarks(), maxColumns).Report("Lab "+k.Lab+", your code", "", k.Result)
			golden(t, name+".ascii.txt", ascii)
			for _, r := range ascii {
				if r > 126 {
					t.Errorf("%q in a report for a terminal without it", r)
				}
			}
			for _, line := range strings.Split(text, "\n") {
				if n := ansi.StringWidth(line); n > minColumns && k.Checks[0].Name != "compile" {
					t.Errorf("%d columns, want at most %d: %s", n, minColumns, line)
				}
			}
		})
	}
}

// docs/reading-a-report.md shows the current form of the report and of the pictures.
func TestIllustrations(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "reading-a-report.md"))
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	printed, err := os.ReadFile(filepath.Join("testdata", "illustration.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(document, "```\n"+strings.TrimSpace(string(printed))+"\n```\n") {
		t.Errorf("the document does not show the report of testdata/illustration.json; it is:\n%s", printed)
	}
	for _, g := range []lab.GainResult{
		{Verdict: lab.Pass, Low: 3.6, Ratio: 3.9, High: 4.2, Floor: 2, Pairs: 6},
		{Verdict: lab.Inconclusive, Low: 1.6, Ratio: 2.3, High: 3.1, Floor: 2, Pairs: 6},
		{Verdict: lab.NotYet, Low: 1.1, Ratio: 1.2, High: 1.4, Floor: 2, Pairs: 6},
		{Verdict: lab.Pass, Low: 712, Ratio: 712, High: 712, Floor: 20},
	} {
		if picture := plainSheet(unicodeMarks(), minColumns).picture(g); !strings.Contains(document, picture) {
			t.Errorf("the document does not show this picture:\n%s", picture)
		}
	}
}

// TestPictures draws gains of every shape.
func TestPictures(t *testing.T) {
	gain := func(low, ratio, high, floor float64) lab.GainResult {
		return lab.GainResult{Low: low, Ratio: ratio, High: high, Floor: floor, Pairs: 6}
	}
	tests := []struct {
		name string
		gain lab.GainResult
	}{
		{"clears the floor", gain(3.6, 3.9, 4.2, 2)},
		{"straddles the floor", gain(1.6, 2.3, 3.1, 2)},
		{"below the floor", gain(1.1, 1.2, 1.4, 2)},
		{"worse than before", gain(0.45, 0.5, 0.6, 2)},
		{"straddles 1x and the floor", gain(0.8, 1.4, 2.6, 2)},
		{"narrower than a column", gain(3.91, 3.92, 3.93, 2)},
		{"two columns", gain(3.8, 3.9, 4, 2)},
		{"both ends at the floor", gain(2, 2, 2, 2)},
		{"a count", gain(712, 712, 712, 20)},
		{"500", gain(480, 500, 530, 20)},
		{"a large count", gain(123456, 123456, 123456, 20)},
		{"very little", gain(0.002, 0.0021, 0.0022, 2)},
		{"equal variants", gain(0.97, 1.002, 1.03, 1)},
		{"a floor beside 1x", gain(1.02, 1.05, 1.08, 1.01)},
		{"a floor below 1x", gain(0.93, 0.99, 1.02, 0.9)},
		{"a floor just below 1x", gain(0.2, 0.99, 1.02, 0.99)},
		{"no floor", gain(0.9, 1.3, 1.9, 0)},
		{"a wide interval", gain(0.6, 20, 900, 2)},
		{"nothing after", gain(0, 0, 0, 2)},
		{"an end at nothing", gain(0, 1, 2, 2)},
	}
	for _, m := range []struct {
		file  string
		marks marks
	}{{"pictures.txt", unicodeMarks()}, {"pictures.ascii.txt", asciiMarks()}} {
		var b strings.Builder
		for _, tt := range tests {
			picture := plainSheet(m.marks, minColumns).picture(tt.gain)
			if picture == "" {
				picture = strings.Repeat(" ", axisIndent) + "no picture\n"
			}
			b.WriteString(tt.name + ": " + basis(tt.gain) + "\n" + picture)
		}
		golden(t, m.file, b.String())
	}
}

func TestAxis(t *testing.T) {
	tests := []struct {
		values    []float64
		low, high float64
	}{
		{[]float64{1}, 1, 2},
		{[]float64{1.9}, 1, 2},
		{[]float64{2}, 1, 5},
		{[]float64{4.2, 2}, 1, 5},
		{[]float64{4.9}, 1, 10},
		{[]float64{500, 20}, 1, 1000},
		{[]float64{0.5, 2}, 0.2, 5},
		{[]float64{0.99}, 0.5, 2},
		{[]float64{1e-6, 1e6}, 5e-7, 2e6},
	}
	for _, tt := range tests {
		a := newAxis(10, tt.values...)
		if !near(a.low, tt.low) || !near(a.high, tt.high) {
			t.Errorf("axis of %v goes from %v to %v, want %v to %v", tt.values, a.low, a.high, tt.low, tt.high)
		}
		for _, v := range tt.values {
			if v < a.low || v > a.high {
				t.Errorf("%v has no place on the axis from %v to %v", v, a.low, a.high)
			}
		}
		if first, last := a.column(a.low), a.column(a.high); first != 0 || last != 9 {
			t.Errorf("the ends of %+v are at %d and %d", a, first, last)
		}
	}
	a := axis{low: 0.1, high: 10, columns: 21}
	if down, up := a.column(1)-a.column(0.5), a.column(2)-a.column(1); down != up {
		t.Errorf("half is %d columns away and twice %d", down, up)
	}
}

func near(a, b float64) bool { return a > b*(1-1e-9) && a < b*(1+1e-9) }

func TestLocale(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "en_GB.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "de_DE@euro"}, false},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_CTYPE": "C"}, false},
		{map[string]string{"LANG": "C", "LC_ALL": "C.UTF-8", "LC_CTYPE": "C"}, true},
	}
	for _, tt := range tests {
		if got := isUTF8(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("with %v UTF-8 is %t, want %t", tt.env, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	got := strings.Join(wrap("one  two three labs/00-baseline/answers.go\nés été\n", 8), "|")
	if want := "one two|three|labs/00-baseline/answers.go|és été"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := strings.Join(wrap("at least 88 % idle", 11), "|"); got != "at least|88 % idle" {
		t.Errorf("a percentage is broken: %q", got)
	}
}
