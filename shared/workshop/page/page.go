// Package page writes measured figures as one HTML file: tables, pictures of intervals, charts.
// The file needs no network and no script, so it can be mailed and opened anywhere. The package
// knows no lab: the code that has the figures fills a Page.
package page

import (
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

// Tone is how a text is to be taken. A page shows a tone by a colour and a sign; the text must say
// the same.
type Tone string

// The tones. Plain is the zero value.
const (
	Plain Tone = ""
	Good  Tone = "good"
	Bad   Tone = "bad"
	Doubt Tone = "doubt" // nothing follows
	Alarm Tone = "alarm" // the machine is at fault
	Quiet Tone = "quiet" // does not matter much
)

// Badge is a short text with a tone, such as a verdict.
type Badge struct {
	Text string
	Tone Tone
}

// Page is a whole page.
type Page struct {
	Title string
	Note  string // one line below the title, such as when the figures were made; may be empty
	// Verdict is the result in a few words, and Meaning explains it. Both may be zero.
	Verdict  Badge
	Meaning  string
	Sections []Section
	Foot     string // the last line, such as where the figures are kept; may be empty
}

// Section is a part of a page under its own heading. Its contents follow one another in the order
// of the fields. An empty section is left out.
type Section struct {
	Title    string
	Text     []string  // paragraphs
	Warnings []string  // shown with emphasis
	Problems []Problem // what did not pass
	Gains    []Gain
	Tables   []Table
	Charts   []chart.Chart // one that is not valid is named, and not drawn
}

// Problem says what did not pass, and what to do about it.
type Problem struct {
	Name    string
	Verdict Badge
	Parts   []Part
	// Raw is text whose lines are kept, such as a compiler's output; may be empty.
	Raw string
}

// Part is a text with its label, such as "expected".
type Part struct{ Label, Text string }

// Gain is a ratio with its interval, drawn against 1x and a floor. Two or more estimates, such as
// those of two machines, share one axis.
type Gain struct {
	Name    string
	Verdict Badge
	Text    []string // the figures in words; the picture has no others
	Floor   float64  // 0 for none
	// Estimates without a positive value are not drawn.
	Estimates []plot.Estimate
}

// Table is a table. The first column names the rows.
type Table struct {
	Caption string // may be empty
	Columns []Column
	Rows    [][]Cell // each as long as Columns
}

// Column is the head of a column.
type Column struct {
	Name   string
	Number bool // align to the right
}

// Cell is one cell of a table.
type Cell struct {
	Text string
	Note string // below the text, in small type; may be empty
	Tone Tone
}
