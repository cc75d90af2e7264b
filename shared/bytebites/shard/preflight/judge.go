package preflight

import (
	"fmt"

	"bytebites.example/workshop/shared/instance"
)

const (
	// largeTable is how many rows make a table one that nobody should read whole.
	largeTable = 10_000
	// enoughScans is how many scans of a table say how it is read, and enoughRecent how many
	// do of those in the window: fewer, for nothing that is over is among them.
	enoughScans, enoughRecent = 100, 20
	// few is how many scans of the whole table, at least, are no accident: people who look
	// around make some, and so does whoever counts rows.
	few = 20
	// leastIndexed is the share of scans that must use an index.
	leastIndexed = 0.99
	// enoughPages is how many pages say how much of what is read is in memory, and
	// enoughRecentPages how many do of those in the window.
	enoughPages, enoughRecentPages = 10_000, 1_000
	// leastHit is the share of pages that must be found in memory.
	leastHit = 0.99
)

// judgeMachine judges what the server runs on. The error is about a type that there is not.
func (r *Report) judgeMachine(m Machine) error {
	if m.Type == "" || m.Largest == "" {
		r.notef("The machine is not judged: %s and %s do not both say what it is and what the largest is.", EnvType, EnvLargest)
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
		r.findf("The server runs on %s, and the largest type is %s: move it to that first, which takes minutes and no change of code.",
			present.Name, largest.Name)
	}
	return nil
}

// judge judges by what the server did since its counts were reset, and in the window.
func (r *Report) judge(total, recent counts) {
	now := make(map[string]table)
	for _, t := range recent.tables {
		now[t.name] = t
	}
	for _, t := range total.tables {
		if t.rows >= largeTable {
			r.judgeTable(t, now[t.name])
		}
	}
	r.judgePages(total, recent)
}

// judgeTable judges how a table is read. What is seen in the window counts when it is clear.
func (r *Report) judgeTable(total, recent table) {
	switch {
	case recent.scans() >= enoughRecent && recent.indexedEnough():
	case recent.readWhole():
		r.findScans(recent, "in the last seconds")
	case total.scans() < enoughScans:
		r.notef("How table %s is read is not judged: %d scans are too few.", total.name, total.scans())
	case total.readWhole():
		r.findScans(total, "since its counts were reset")
	}
}

func (r *Report) findScans(seen table, when string) {
	r.findf("Of %d scans of table %s %s, %d read the whole table, %d rows each: make the index first that these queries need (lab 00)."+
		" Then count anew (SELECT pg_stat_reset()), or come back under load.",
		seen.scans(), seen.name, when, seen.wholeScans(), seen.wholeRows/max(seen.whole, 1))
}

func (t table) indexedEnough() bool { return float64(t.indexed) >= leastIndexed*float64(t.scans()) }

func (t table) readWhole() bool { return t.wholeScans() >= few && !t.indexedEnough() }

// scans is how many there were, without those that made something.
func (t table) scans() int64 { return t.wholeScans() + t.indexed }

func (t table) wholeScans() int64 { return max(t.whole-t.builds, 0) }

func (r *Report) judgePages(total, recent counts) {
	seen, when := recent, "in the last seconds"
	if recent.pages() < enoughRecentPages {
		seen, when = total, "since the counts were reset"
		if total.pages() < enoughPages {
			r.notef("Whether memory holds what is read is not judged: %d pages are too few.", total.pages())
			return
		}
	}
	switch share := float64(seen.pagesHit) / float64(seen.pages()); {
	case share >= leastHit:
	case total.roomy:
		r.notef("Whether memory holds what is read is not judged: the whole database has room there, and is not in it yet.")
	default:
		r.findf("Of %d pages that were read %s, %.1f %% were in memory: give the server more memory first, so that %.0f %% are.",
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
