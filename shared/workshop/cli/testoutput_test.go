package cli

import (
	"fmt"
	"strings"
	"testing"
)

func TestTestOutput(t *testing.T) {
	many := strings.Repeat("noise\n", 3*keptLines)
	tests := []struct {
		name, wrote, shown, kept string
	}{
		{"progress only", "=== RUN   TestLab\n    ramp: 10/s\n      20/s\n    x_test.go:3: logged\n        and more\n    --- PASS: TestLab/a (0.1s)\nPASS\n", "ramp: 10/s\n  20/s\n", "PASS"},
		{"figures aligned to the right", "      982 and 84 ms\n    x_test.go:3: logged\n        and more\n    next\n        9 and 8 ms\n", "  982 and 84 ms\nnext\n    9 and 8 ms\n", "9 and 8 ms"},
		{"windows line ends", "    ramp\r\n", "ramp\n", "ramp"},
		{"an unfinished line", "    ra", "", "ra"},
		{"the end is kept", many + "the end\n", "", "the end"},
		{"the start of a trace is kept", many + "panic: burnt\n\ngoroutine 7 [running]:\n    deep\n" + many, "", "panic: burnt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// In one write and byte by byte: what a pipe cuts where is chance.
			for _, size := range []int{len(tt.wrote), 1} {
				var shown strings.Builder
				o := &testOutput{show: func(line string) { fmt.Fprintln(&shown, line) }}
				for at := 0; at < len(tt.wrote); at += size {
					if n, err := o.Write([]byte(tt.wrote[at:min(at+size, len(tt.wrote))])); err != nil || n != size {
						t.Fatalf("Write = %d, %v", n, err)
					}
				}
				if shown.String() != tt.shown {
					t.Errorf("shown %q, want %q", shown.String(), tt.shown)
				}
				if !strings.Contains(o.essence(), tt.kept) || strings.Count(o.essence(), "\n") >= keptLines {
					t.Errorf("kept %q, want at most %d lines with %q", o.essence(), keptLines, tt.kept)
				}
			}
		})
	}
}
