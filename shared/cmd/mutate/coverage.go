package main

import (
	"bufio"
	"fmt"
	"os"
	"path"
)

// block is a part of a file that was reached.
type block struct{ startLine, startCol, endLine, endCol int }

func (b block) holds(line, col int) bool {
	return (line > b.startLine || line == b.startLine && col >= b.startCol) &&
		(line < b.endLine || line == b.endLine && col <= b.endCol)
}

// readCoverage returns the blocks that were reached, by the base name of their file.
func readCoverage(profile string) (reached map[string][]block, err error) {
	file, err := os.Open(profile)
	if err != nil {
		return nil, fmt.Errorf("open coverage profile: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read from
	reached = make(map[string][]block)
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if n == 1 { // mode: set
			continue
		}
		name, b, count, err := parseBlock(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("coverage profile, line %d: %w", n, err)
		}
		if count > 0 {
			reached[name] = append(reached[name], b)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read coverage profile: %w", err)
	}
	return reached, nil
}

// parseBlock parses a line such as example.com/module/file.go:12.34,15.2 3 1, of which the last
// number is how often the block was reached.
func parseBlock(line string) (name string, b block, count int, err error) {
	at := 0
	for i := range line {
		if line[i] == ':' {
			at = i
		}
	}
	var statements int
	_, err = fmt.Sscanf(line[at:], ":%d.%d,%d.%d %d %d", &b.startLine, &b.startCol, &b.endLine, &b.endCol, &statements, &count)
	if err != nil {
		return "", block{}, 0, fmt.Errorf("parse %q: %w", line, err)
	}
	return path.Base(line[:at]), b, count, nil
}
