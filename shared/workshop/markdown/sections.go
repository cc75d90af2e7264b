// Package markdown reads the sections of a lesson or of hints.
package markdown

import "strings"

// Section is what stands under a heading of the second level ("## Title").
type Section struct {
	Title string
	Text  string // up to the next such heading, trimmed; deeper headings are part of it
}

// Sections returns the sections in order. What stands before the first is none of them,
// and a line in a fenced code block is never a heading.
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

// fenceAfter returns the mark that ends the code block that a line is in or opens, or
// nothing.
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
