package preflight

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	orders := func(whole, indexed, builds int64) []table {
		return []table{{name: "orders", rows: 50_000, whole: whole, indexed: indexed, wholeRows: whole * 50_000, builds: builds}}
	}
	good := counts{tables: orders(0, 1000, 0), pagesHit: 999_000, pagesRead: 1_000}
	with := func(change func(*counts)) counts {
		c := good
		change(&c)
		return c
	}
	tables := func(t []table) counts { return with(func(c *counts) { c.tables = t }) }
	pages := func(hit, read int64) counts { return with(func(c *counts) { c.pagesHit, c.pagesRead = hit, read }) }
	for _, test := range []struct {
		name          string
		total, recent counts
		finding, note string // part of the only finding or note; empty for none
	}{
		{name: "all well", total: good, recent: good},
		{name: "all well, no load now", total: good},
		{name: "no counts", note: "pages are too few"},
		{name: "whole table", total: tables(orders(200, 1000, 0)), finding: "Of 1200 scans of table orders since its counts were reset, 200 read the whole table, 50000 rows"},
		{name: "one in a hundred", total: tables(orders(20, 1980, 0))},
		{name: "more than one in a hundred", total: tables(orders(20, 1979, 0)), finding: "20 read the whole table"},
		{name: "a person looks around", total: tables(orders(19, 200, 0))},
		{name: "only to make indexes", total: tables(orders(27, 200, 8))},
		{name: "more than to make indexes", total: tables(orders(28, 200, 8)), finding: "Of 220 scans of table orders since its counts were reset, 20 read"},
		{name: "more indexes than scans", total: tables(orders(2, 200, 8))},
		{name: "too few scans", total: tables(orders(50, 49, 0)), note: "table orders is read is not judged: 99 scans"},
		{name: "just enough scans", total: tables(orders(50, 50, 0)), finding: "50 read the whole table"},
		{name: "mended", total: tables(orders(200, 1000, 0)), recent: tables(orders(0, 20, 0))},
		{name: "mended, says too little", total: tables(orders(200, 1000, 0)), recent: tables(orders(0, 19, 0)), finding: "since its counts"},
		{name: "mended, a person looks around", total: tables(orders(200, 1000, 0)), recent: tables(orders(1, 90, 0)), finding: "since its counts"},
		{name: "all well, a person looks around", total: tables(orders(1, 1000, 0)), recent: tables(orders(1, 20, 0))},
		{name: "broken since, too early to say", total: tables(orders(19, 100_000, 0)), recent: tables(orders(19, 5, 0))},
		{name: "broken since", total: tables(orders(20, 100_000, 0)), recent: tables(orders(20, 5, 0)), finding: "Of 25 scans of table orders in the last seconds, 20 read"},
		{name: "small table", total: tables([]table{{name: "orders", rows: 9_999, whole: 1000}})},
		{name: "just large", total: tables([]table{{name: "orders", rows: 10_000, whole: 1000}}), finding: "table orders"},
		{name: "not in memory", total: pages(98_000, 2_000), finding: "Of 100000 pages that were read since the counts were reset, 98.0 % were in memory"},
		{name: "just in memory", total: pages(99_000, 1_000)},
		{name: "in memory by now", total: pages(98_000, 2_000), recent: pages(1000, 0)},
		{name: "no longer in memory", total: good, recent: pages(950, 50), finding: "95.0 %"},
		{name: "not in memory yet", total: with(func(c *counts) { c.pagesHit, c.pagesRead, c.roomy = 98_000, 2_000, true }), note: "the whole database fits in memory"},
		{name: "in memory, and has room", total: with(func(c *counts) { c.roomy = true })},
		{name: "too few pages", total: pages(5_000, 4_999), note: "9999 pages are too few"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Report
			r.judge(test.total, test.recent)
			only(t, "findings", r.Findings(), test.finding)
			only(t, "notes", r.Notes(), test.note)
			if r.Allowed() != (test.finding == "") {
				t.Errorf("allowed: %t", r.Allowed())
			}
		})
	}
}

func TestJudgeMachine(t *testing.T) {
	for _, test := range []struct {
		name          string
		machine       Machine
		finding, note string
		wrong         bool
	}{
		{name: "unknown", note: "BYTEBITES_DATABASE_TYPE"},
		{name: "largest unknown", machine: Machine{Type: "b1.nano"}, note: "BYTEBITES_LARGEST_TYPE"},
		{name: "type unknown", machine: Machine{Largest: "b1.nano"}, note: "not judged"},
		{name: "the largest", machine: Machine{Type: "b1.small", Largest: "b1.small"}},
		{name: "larger still", machine: Machine{Type: "b1.medium", Largest: "b1.small"}},
		{name: "smaller", machine: Machine{Type: "b1.nano", Largest: "b1.small"}, finding: "runs on b1.nano, and the largest type is b1.small"},
		{name: "no such type", machine: Machine{Type: "b2.nano", Largest: "b1.small"}, wrong: true},
		{name: "no such largest", machine: Machine{Type: "b1.nano", Largest: "huge"}, wrong: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Report
			if err := r.judgeMachine(test.machine); (err != nil) != test.wrong {
				t.Errorf("got error %v", err)
			}
			only(t, "findings", r.Findings(), test.finding)
			only(t, "notes", r.Notes(), test.note)
		})
	}
}

func TestSince(t *testing.T) {
	earlier := counts{tables: []table{{name: "a", whole: 5, indexed: 7, wholeRows: 50, builds: 3}}, pagesHit: 10, pagesRead: 1}
	later := counts{
		tables:   []table{{name: "a", rows: 9, whole: 6, indexed: 17, wholeRows: 60, builds: 3}, {name: "b", whole: 2}},
		pagesHit: 30, pagesRead: 4, roomy: true,
	}
	got := later.since(earlier)
	want := table{name: "a", rows: 9, whole: 1, indexed: 10, wholeRows: 10}
	if len(got.tables) != 2 || got.tables[0] != want || got.tables[1].whole != 2 || got.pagesHit != 20 || got.pagesRead != 3 || !got.roomy {
		t.Errorf("got %+v", got)
	}
}

// only checks that there is one sentence and that it contains a text, or none if the text is empty.
func only(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
