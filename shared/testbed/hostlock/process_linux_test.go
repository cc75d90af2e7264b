package hostlock

import (
	"os"
	"strings"
	"testing"
)

const stat = "2391 (%s) %s 1 2391 2391 0 -1 4194560 123 0 0 0 1 2 0 0 20 0 1 0 77001 2469888 185 18446744073709551615 1 1 0"

func statLine(command, state string) string {
	return strings.Replace(strings.Replace(stat, "%s", command, 1), "%s", state, 1)
}

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		line, want string
	}{
		"plain":                        {statLine("go", "S"), "77001"},
		"command with spaces":          {statLine("tmux: server", "R"), "77001"},
		"command with field-like text": {statLine("a) R 1 (b", "S"), "77001"},
		"zombie":                       {statLine("go", "Z"), ""},
		"empty":                        {"", ""},
		"cut off":                      {"2391 (go) S 1 2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(c.line)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("parseStat returns %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestZombieCountsAsEnded(t *testing.T) {
	if _, err := parseStat(statLine("go", "Z")); !isNoProcess(err) {
		t.Errorf("the error of a zombie is %v", err)
	}
}

func TestStartTimeOfThisProcess(t *testing.T) {
	first, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	second, err := startTime(os.Getpid())
	if err != nil || first != second {
		t.Errorf("the start moves from %s to %s, %v", first, second, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(statLine("go", "S"))
	f.Add("1 () ")
	f.Add(")")
	f.Fuzz(func(t *testing.T, line string) {
		start, err := parseStat(line)
		if err == nil && (start == "" || strings.ContainsAny(start, " \t\n")) {
			t.Errorf("parseStat(%q) returns %q and no error", line, start)
		}
	})
}
