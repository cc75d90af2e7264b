package markdown_test

import (
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/markdown"
)

func TestSections(t *testing.T) {
	tests := []struct {
		name, text string
		want       []markdown.Section
	}{
		{"nothing", "", nil},
		{"no section", "# Title\n\nText.\n", nil},
		{"two", "# T\n\nBefore.\n\n## One\n\nFirst.\n\nSecond.\n\n## Two \nThird.", []markdown.Section{{"One", "First.\n\nSecond."}, {"Two", "Third."}}},
		{"windows", "## One\r\n\r\nFirst.\r\n", []markdown.Section{{"One", "First."}}},
		{"deeper", "## One\n### Inside\nText", []markdown.Section{{"One", "### Inside\nText"}}},
		{"empty", "## One\n\n## Two\n", []markdown.Section{{"One", ""}, {"Two", ""}}},
		{"code", "## One\n```sh\n## a comment\n```\n## Two\n", []markdown.Section{{"One", "```sh\n## a comment\n```"}, {"Two", ""}}},
		{"a longer fence", "## One\n````\n```\n## a comment\n````\n## Two\n", []markdown.Section{{"One", "````\n```\n## a comment\n````"}, {"Two", ""}}},
		{"another fence", "## One\n~~~\n```\n## a comment\n~~~\n", []markdown.Section{{"One", "~~~\n```\n## a comment\n~~~"}}},
		{"no space", "##One\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := markdown.Sections(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzSections(f *testing.F) {
	f.Add("# T\n## One\n```\n## no\n```\n## Two\ntext")
	f.Add("## \r\n~~~~\n## x")
	f.Fuzz(func(t *testing.T, text string) {
		sections := markdown.Sections(text)
		if headings := strings.Count("\n"+text, "\n## "); len(sections) > headings {
			t.Errorf("%d sections under %d headings", len(sections), headings)
		}
		for _, s := range sections {
			if strings.Contains(s.Title, "\n") || !strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), s.Text) {
				t.Errorf("%q is not in the text", s)
			}
		}
	})
}
