// Package markdown reads the sections of a lesson or of hints.
package markdown

import "strings"

// Section is a heading of the second level ("## Title") and the text below it.
type Section struct {
	Title string
	Text  string // up to the next such heading, trimmed; deeper headings are part of it
}

// Sections returns the sections in order. Text before the first such heading belongs to no
// section. A line in a fenced code block is never a heading.
func Sections(text string) []Section {
	var sections []Section
	var body []string
	end := func() {
		if len(sections) > 0 {
			sections[len(sections)-1].Text = strings.TrimSpace(strings.Join(body, "\n"))
		}
		body = nil
	}
	fence := ""
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		title, heading := strings.CutPrefix(line, "## ")
		if heading && fence == "" {
			end()
			sections = append(sections, Section{Title: strings.TrimSpace(title)})
			continue
		}
		fence = fenceAfter(fence, line)
		body = append(body, line)
	}
	end()
	return sections
}

// fenceAfter returns the fence that ends the code block after a line. Fence is the one before
// the line. Both are empty outside a code block.
func fenceAfter(fence, line string) string {
	line = strings.TrimSpace(line)
	if fence != "" {
		if strings.HasPrefix(line, fence) && strings.Trim(line, fence[:1]) == "" {
			return ""
		}
		return fence
	}
	for _, mark := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, mark)); n >= 3 {
			return strings.Repeat(mark, n)
		}
	}
	return ""
}
