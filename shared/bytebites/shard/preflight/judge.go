package preflight

import (
	"fmt"

	"bytebites.example/workshop/shared/instance"
)

const (
	// largeTableRows is the number of rows from which a table should not be scanned whole.
	largeTableRows = 10_000
	// enoughScans is the least number of scans that is enough to judge a table. enoughRecentScans
	// is the same for the scans in the window. It is smaller because old scans are not among them.
	enoughScans, enoughRecentScans = 100, 20
	// accidentalScans is the number of scans of the whole table below which they do not count. A
	// person who looks at the data causes some, and so does a count of the rows.
	accidentalScans = 20
	// leastIndexed is the least share of scans that must use an index.
	leastIndexed = 0.99
	// enoughPages is the least number of page reads that is enough to judge the share in memory.
	// enoughRecentPages is the same for the page reads in the window.
	enoughPages, enoughRecentPages = 10_000, 1_000
	// leastHit is the least share of page reads that must find the page in memory.
	leastHit = 0.99
)

// judgeMachine judges the machine of the server. Its error is about an unknown instance type.
func (r *Report) judgeMachine(m Machine) error {
	if m.Type == "" || m.Largest == "" {
		r.notef("The machine is not judged: set %s and %s to its instance type and to the largest one.", EnvType, EnvLargest)
		return nil
	}
	present, err := instance.ByName(m.Type)
	if err != nil {
		return err
	}
	largest, err := instance.ByName(m.Largest)
	if err != nil {
		return err
	}
	if present.CPU < largest.CPU {
		r.findf("The server runs on %s, and the largest type is %s: move it there first, which takes minutes and no change of code.",
			present.Name, largest.Name)
	}
	return nil
}

// judge judges by the counts since their last reset, and by those in the window.
func (r *Report) judge(total, recent counts) {
	now := make(map[string]table)
	for _, t := range recent.tables {
		now[t.name] = t
	}
	for _, t := range total.tables {
		if t.rows >= largeTableRows {
			r.judgeTable(t, now[t.name])
		}
	}
	r.judgePages(total, recent)
}

// judgeTable judges the scans of a table. The scans in the window decide if their result is clear.
func (r *Report) judgeTable(total, recent table) {
	switch {
	case recent.scans() >= enoughRecentScans && recent.indexedEnough():
	case recent.readWhole():
		r.findScans(recent, "in the last seconds")
	case total.scans() < enoughScans:
		r.notef("The way that table %s is read is not judged: %d scans are too few.", total.name, total.scans())
	case total.readWhole():
		r.findScans(total, "since its counts were reset")
	}
}

func (r *Report) findScans(seen table, when string) {
	r.findf("Of %d scans of table %s %s, %d read the whole table, %d rows each: first create the index that these queries need (lab 00)."+
		" Then reset the counts (SELECT pg_stat_reset()), or check again under load.",
		seen.scans(), seen.name, when, seen.wholeScans(), seen.wholeRows/max(seen.whole, 1))
}

func (t table) indexedEnough() bool { return float64(t.indexed) >= leastIndexed*float64(t.scans()) }

func (t table) readWhole() bool { return t.wholeScans() >= accidentalScans && !t.indexedEnough() }

// scans is the number of scans, without those that built an index or checked a foreign key.
func (t table) scans() int64 { return t.wholeScans() + t.indexed }

func (t table) wholeScans() int64 { return max(t.whole-t.builds, 0) }

func (r *Report) judgePages(total, recent counts) {
	seen, when := recent, "in the last seconds"
	if recent.pages() < enoughRecentPages {
		seen, when = total, "since the counts were reset"
		if total.pages() < enoughPages {
			r.notef("The share of pages in memory is not judged: %d pages are too few.", total.pages())
			return
		}
	}
	switch share := float64(seen.pagesHit) / float64(seen.pages()); {
	case share >= leastHit:
	case total.roomy:
		r.notef("The share of pages in memory is not judged: the whole database fits in memory, but is not loaded yet.")
	default:
		r.findf("Of %d pages that were read %s, %.1f %% were in memory: first give the server enough memory for %.0f %%.",
			seen.pages(), when, 100*share, 100*leastHit)
	}
}

func (c counts) pages() int64 { return c.pagesHit + c.pagesRead }

func (r *Report) findf(format string, args ...any) {
	r.findings = append(r.findings, fmt.Sprintf(format, args...))
}

func (r *Report) notef(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
