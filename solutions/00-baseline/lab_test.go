package baseline_test

import (
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/labs/00-baseline/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/00-baseline/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   baseline.Files(),
		Answers: baseline.Answers(),
		Package: "./solutions/service",
		Args:    []string{"--through", "00"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestAnswers(t *testing.T) {
	// but returns the lab on the solution with one answer changed.
	but := func(change func(*answer.Sheet)) frame.Lab {
		s := solution()
		change(&s.Answers)
		return spec.Lab(s)
	}
	// indexed returns the lab on the solution with another index.sql.
	all := wrong.SQL()
	indexed := func(name string) frame.Lab {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		s.Files = fstest.MapFS{"index.sql": {Data: []byte(all[name])}}
		return spec.Lab(s)
	}
	labtest.Answers(t, frame.Answers{
		Wrong: []frame.Wrong{
			// The starter's code of each step, in the solution.
			{Name: "table-unanswered", Flaw: 1, Check: "slow table", Lab: but(func(s *answer.Sheet) { s.SlowTable = "" }),
				Why: "the slow statement is not looked for yet"},
			{Name: "no-index", Flaw: 2, Check: "index", Lab: indexed("no-index"),
				Why: "the table is small at first, and its primary key seems to be index enough"},
			{Name: "wait-unanswered", Flaw: 3, Check: "order waits for", Lab: but(func(s *answer.Sheet) { s.OrderWaitsFor = answer.Unanswered }),
				Why: "the steps of an order are not measured yet"},
			{Name: "restart-unanswered", Flaw: 4, Check: "restart", Lab: but(func(s *answer.Sheet) { s.Restart = answer.Restart{} }),
				Why: "the process was never killed, so its state looks safe"},
			{Name: "knee-unanswered", Flaw: 5, Check: "knee bound", Lab: but(func(s *answer.Sheet) { s.KneePerSecond = 0 }),
				Why: "the rate is not raised until the service breaks"},

			{Name: "knee-in-minutes", Check: "knee bound", Lab: but(func(s *answer.Sheet) { s.KneePerSecond *= 60 }),
				Why: "many dashboards count requests a minute"},
			{Name: "placed-at-first", Check: "index", Lab: indexed("placed-at-first"),
				Why: "the latest orders are wanted first, so the date seems to belong first in the index"},
			{Name: "only-the-date", Check: "index", Lab: indexed("only-the-date"),
				Why: "the statement sorts by the date, and sorting is what takes long"},
			{Name: "lower-case", Check: "index", Lab: indexed("lower-case"),
				Why: "ids should be found however they are written"},
			{Name: "first-customers", Check: "index", Lab: indexed("first-customers"),
				Why: "a smaller index costs less, and these subscribers order most"},
			{Name: "no-two-alike", Check: "harmless", Lab: indexed("no-two-alike"),
				Why: "nobody places two orders at one moment, and unique indexes are fast"},
			{Name: "small-totals", Check: "harmless", Lab: indexed("small-totals"),
				Why: "the history shows the total too, and no order costs millions"},
			{Name: "old-orders-gone", Check: "harmless", Lab: indexed("old-orders-gone"),
				Why: "a smaller table is read faster, and nobody looks at orders of last year"},
			{Name: "keys-gone", Check: "harmless", Lab: indexed("keys-gone"),
				Why: "the keys of old orders are not needed, and they make rows long"},
			{Name: "carts-gone", Check: "harmless", Lab: indexed("carts-gone"),
				Why: "a clean start needs no carts of yesterday"},
			{Name: "key-index-gone", Check: "harmless", Lab: indexed("key-index-gone"),
				Why: "two indexes that begin with the subscriber seem to be one too many"},
			{Name: "many-indexes", Check: "harmless", Lab: indexed("many-indexes"),
				Why: "an index for each column that a statement may ask for"},
			{Name: "planner-forced", Check: "harmless", Lab: indexed("planner-forced"),
				Why: "the planner still scans the table in a small test, so it is told not to"},
			{Name: "statistics-raised", Check: "harmless", Lab: indexed("statistics-raised"),
				Why: "the planner should know the subscribers better"},
			{Name: "extended-statistics", Check: "harmless", Lab: indexed("extended-statistics"),
				Why: "the planner should know that subscribers order at their own times"},
			{Name: "marked-for-cluster", Check: "harmless", Lab: indexed("marked-for-cluster"),
				Why: "the next CLUSTER should sort the table by subscriber"},
			{Name: "not-logged", Check: "harmless", Lab: indexed("not-logged"),
				Why: "a table without a log is written faster"},
			{Name: "grows", Check: "harmless", Lab: indexed("grows"),
				Why: "PostgreSQL finds a name by itself, and at the first start all is well"},
			{Name: "once-only", Check: "harmless", Lab: indexed("once-only"),
				Why: "at the first start all is well"},
			{Name: "dropped-first", Check: "harmless", Lab: indexed("dropped-first"),
				Why: "a statement that begins with DROP IF EXISTS can be repeated"},
			{Name: "reindexed", Check: "harmless", Lab: indexed("reindexed"),
				Why: "a fresh index is the smallest"},
			{Name: "clustered", Check: "harmless", Lab: indexed("clustered"),
				Why: "rows that lie together are read with fewer pages"},
			{Name: "rewritten", Check: "harmless", Lab: indexed("rewritten"),
				Why: "it fills the index anew"},
			{Name: "locked", Check: "harmless", Lab: indexed("locked"),
				Why: "nothing should change while the index is built"},
			{Name: "locks-users", Check: "harmless", Lab: indexed("locks-users"),
				Why: "no subscriber should leave while the index is built"},
			{Name: "two-and-online", Check: "harmless", Lab: indexed("two-and-online"),
				Why: "more memory makes the index build faster, and CONCURRENTLY lets orders through"},
			{Name: "mysql-statement", Check: "harmless", Lab: indexed("mysql-statement"),
				Why: "it is how another database says it"},
			{Name: "lines-are-slow", Check: "slow table", Lab: but(func(s *answer.Sheet) { s.SlowTable = "order_lines" }),
				Why: "every order has several lines, so theirs is the larger table"},
			{Name: "planning-is-slow", Check: "order waits for", Lab: but(func(s *answer.Sheet) { s.OrderWaitsFor = answer.Computing }),
				Why: "planning a week of meals is what sounds like work, and a profile of the CPU shows little else"},
			{Name: "database-is-slow", Check: "order waits for", Lab: but(func(s *answer.Sheet) { s.OrderWaitsFor = answer.Database }),
				Why: "most steps of an order send a statement"},
			{Name: "sessions-kept", Check: "restart", Lab: but(func(s *answer.Sheet) { s.Restart.Sessions = answer.Kept }),
				Why: "the browser still holds its cookie after a restart, so the session seems to be there"},
			{Name: "carts-forgotten", Check: "restart", Lab: but(func(s *answer.Sheet) { s.Restart.Carts = answer.Forgotten }),
				Why: "after the restart one is signed out, and sees no cart"},
		},
		Right: []frame.Right{
			{Name: "online", Checks: []string{"harmless", "index"}, Lab: indexed("online"),
				Why: "The index is built while orders go on."},
			{Name: "ascending", Checks: []string{"harmless", "index"}, Lab: indexed("ascending"),
				Why: "PostgreSQL reads an index in both directions."},
			{Name: "only-the-user", Checks: []string{"harmless", "index"}, Lab: indexed("only-the-user"),
				Why: "A subscriber has few orders, and sorting them is cheap."},
			{Name: "covering", Checks: []string{"harmless", "index"}, Lab: indexed("covering"),
				Why: "The index holds further columns."},
			{Name: "asks-the-books", Checks: []string{"harmless", "index"}, Lab: indexed("asks-the-books"),
				Why: "A block asks whether the index is there."},
			{Name: "by-hash", Checks: []string{"harmless", "index"}, Lab: indexed("by-hash"),
				Why: "A hash index leads to the orders of one subscriber, which are then sorted."},
			{Name: "forgives", Checks: []string{"harmless", "index"}, Lab: indexed("forgives"),
				Why: "The second start ends in an error that the block takes for right."},
			{Name: "with-schema", Checks: []string{"slow table"}, Lab: but(func(s *answer.Sheet) { s.SlowTable = "public.orders" }),
				Why: "The name of a table with its schema is its full name."},
		},
	})
}
