package compare

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Tour is what a comparison needs of the JSON that `tour` writes.
type Tour struct {
	Rows     []Row     `json:"rows"`
	CPUs     int       `json:"cpus"`
	Slowness float64   `json:"slowness"`
	Began    time.Time `json:"began"`
	// Platform and Go are missing from files of older tours.
	Platform string `json:"platform"`
	Go       string `json:"go"`
	// Parts are the parts that were played; nil for all.
	Parts []string `json:"parts"`
}

// Row is one claim of a tour.
type Row struct {
	Name    string        `json:"name"` // one word, unique in a tour
	Lab     string        `json:"lab"`  // such as "03"
	Claim   string        `json:"claim"`
	Before  Amount        `json:"before"`
	After   Amount        `json:"after"`
	Ratio   float64       `json:"ratio"` // above 1 for a change to the better; 0 for none
	Verdict string        `json:"verdict"`
	Quotas  []lab.Quota   `json:"quotas"`
	Charts  []chart.Chart `json:"charts"`
}

// Title returns the row's lab and claim.
func (r Row) Title() string { return r.Lab + " " + r.Claim }

// Amount is a measured number. Of is the whole that Value is a part of; 0 for none. An amount without a
// unit is no number.
type Amount struct {
	Value float64 `json:"value"`
	Of    float64 `json:"of"`
	Unit  string  `json:"unit"`
}

// scalar returns the value and its unit. A part becomes its share, because the wholes of two tours differ.
func (a Amount) scalar() (value float64, unit string) {
	if a.Of > 0 {
		return 100 * a.Value / a.Of, "%"
	}
	return a.Value, a.Unit
}

// Validate returns an error if the tour cannot be compared.
func (t Tour) Validate() error {
	if len(t.Rows) == 0 {
		return fmt.Errorf("it has no claims")
	}
	for _, row := range t.Rows {
		if row.Name == "" || row.Verdict == "" {
			return fmt.Errorf("a claim has no name or no verdict")
		}
	}
	return nil
}

// TourComparison is what two tours have in common, and how they differ.
type TourComparison struct {
	A, B   Tour
	Claims []Claim
	Same   int // claims of both whose verdicts are equal
	Common
}

// Claim is a claim that both tours measured. One round each has no interval, so a difference proves
// nothing.
type Claim struct {
	A, B  Row
	Ratio float64 // of B's ratio to A's; 0 if there is none
}

// Tours compares two tours.
func Tours(a, b Tour) TourComparison {
	c := TourComparison{A: a, B: b}
	var quotasA, quotasB []lab.Quota
	for _, rowA := range a.Rows {
		at := slices.IndexFunc(b.Rows, func(r Row) bool { return r.Name == rowA.Name })
		if at < 0 {
			c.OnlyA = append(c.OnlyA, "claim "+rowA.Title())
			continue
		}
		rowB := b.Rows[at]
		c.Claims = append(c.Claims, Claim{rowA, rowB, ratio(rowA.Ratio, rowB.Ratio)})
		if rowA.Verdict == rowB.Verdict {
			c.Same++
		}
		c.amount(rowA.Title()+", before", rowA.Before, rowB.Before)
		c.amount(rowA.Title()+", after", rowA.After, rowB.After)
		c.charts(rowA.Charts, rowB.Charts)
		quotasA, quotasB = append(quotasA, rowA.Quotas...), append(quotasB, rowB.Quotas...)
	}
	for _, rowB := range b.Rows {
		if !slices.ContainsFunc(a.Rows, func(r Row) bool { return r.Name == rowB.Name }) {
			c.OnlyB = append(c.OnlyB, "claim "+rowB.Title())
		}
	}
	if !slices.Equal(a.Parts, b.Parts) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("A played %s and B played %s. Parts share servers, so a part may run otherwise without the others.", a.played(), b.played()))
	}
	c.Warnings = append(c.Warnings, machines(a.Host(quotasA), b.Host(quotasB))...)
	return c
}

// amount adds a figure that both tours have.
func (c *TourComparison) amount(name string, a, b Amount) {
	if a.Unit == "" || b.Unit == "" {
		return
	}
	valueA, unitA := a.scalar()
	valueB, unitB := b.scalar()
	c.figure(name, unitA, valueA, unitB, valueB)
}

func (t Tour) played() string {
	if len(t.Parts) == 0 {
		return "the whole story"
	}
	return "only " + strings.Join(t.Parts, ", ")
}

// Host returns the machine of the tour, with the quotas of some rows.
func (t Tour) Host(quotas []lab.Quota) lab.Host {
	return lab.Host{CPUs: t.CPUs, Slowness: t.Slowness, Platform: t.Platform, Go: t.Go, Quotas: quotas}
}
