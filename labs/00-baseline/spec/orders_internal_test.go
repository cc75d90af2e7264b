package spec

import (
	"errors"
	"strings"
	"testing"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/lab"

	"time"
)

// sent returns n orders of 60 ms of mail and 20 ms of planning. Some stall at a step for a while.
func sent(n int, stalls map[checkout.Step]int, stall float64) []orderSteps {
	var orders []orderSteps
	for range n {
		orders = append(orders, orderSteps{
			checkout.StepMail: 0.06, checkout.StepRecommend: 0.02, checkout.StepPlace: 0.008, checkout.StepReserve: 0.004, checkout.StepLockWait: 0,
		})
	}
	at := 0
	for step, count := range stalls {
		for range count {
			orders[at][step] += stall
			at++
		}
	}
	return orders
}

// A pause of the machine makes some orders slow. It changes neither the verdict nor what the
// file shows.
func TestStallsDoNotChangeWhatAnOrderWaitsFor(t *testing.T) {
	tests := []struct {
		name   string
		stalls map[checkout.Step]int
		stall  float64 // seconds
	}{
		{"none", nil, 0},
		{"a second in the transaction", map[checkout.Step]int{checkout.StepPlace: 1}, 1},
		{"ten seconds of planning", map[checkout.Step]int{checkout.StepRecommend: 1}, 10},
		{"several, at several steps", map[checkout.Step]int{checkout.StepPlace: 3, checkout.StepRecommend: 3}, 1},
		{"a second in line", map[checkout.Step]int{checkout.StepLockWait: 9}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, given := range []answer.Word{answer.MailServer, answer.Database} {
				l := &trial{subject: Subject{Answers: answer.Sheet{OrderWaitsFor: given}}}
				l.after.orders = sent(17, tt.stalls, tt.stall)
				err := l.orderWaitsFor(t.Context(), &lab.Run{})
				var failure *lab.Failure
				if right := given == answer.MailServer; right != (err == nil) || !right && !errors.As(err, &failure) {
					t.Errorf("answer %s: got %v", given, err)
				}
				if text := string(l.stepsText()); strings.Index(text, "mail\n") > strings.Index(text, "recommend\n") {
					t.Errorf("the file does not show the mail first:\n%s", text)
				}
			}
		})
	}
}

func TestAStallDoesNotChangeTheSlowTable(t *testing.T) {
	l := &trial{subject: Subject{Answers: answer.Sheet{SlowTable: "public.orders"}}}
	l.before.statements = []pgstat.Statement{
		{Query: "SELECT 1 FROM carts", Calls: 2, Time: 1010 * time.Millisecond, Slowest: time.Second},
		{Query: "SELECT id FROM orders WHERE user_id = $1", Calls: 20, Time: 400 * time.Millisecond, Slowest: 30 * time.Millisecond},
	}
	if err := l.slowTable(t.Context(), &lab.Run{}); err != nil {
		t.Error(err)
	}
	if text := string(l.statementsText()); !strings.Contains(text, "1  SELECT id FROM orders") {
		t.Errorf("the file does not show the orders first:\n%s", text)
	}
}

func TestTableName(t *testing.T) {
	for given, want := range map[string]string{
		"orders": "orders", "public.orders": "orders", "Orders": "orders", ` "public"."orders" `: "orders",
		"order_lines": "order_lines", "public.order_lines": "order_lines", "": "", "other.orders": "other.orders",
	} {
		if got := tableName(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
