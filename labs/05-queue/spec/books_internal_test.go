package spec

import (
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/testbed/mailsink"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	milk = entry{"Meadow", "milk"}
	oats = entry{"Mill", "oats"}
)

// kitchen returns the recipes of two meals that share an ingredient.
func kitchen() recipes {
	return recipes{"porridge": {milk: 200, oats: 80}, "shake": {milk: 300}}
}

func TestBooking(t *testing.T) {
	booking := kitchen().booking([]line{{"porridge", 2}, {"shake", 1}})
	if len(booking) != 2 || booking[milk] != 700 || booking[oats] != 160 {
		t.Errorf("booked %v", booking)
	}
}

// dinner returns an order and its book, in which everything is right.
func dinner() (*order, *book) {
	o := &order{person: &person{email: "u1@bytebites.example"}, id: "ord_1", lines: []line{{"porridge", 1}}}
	b := &book{
		status: bytebites.OrderPlaced, done: make(map[bytebites.Effect]time.Time), booking: kitchen().booking(o.lines),
		booked: noon, week: noon, mails: []mailsink.Message{mailAt(o, noon)},
	}
	for _, effect := range bytebites.Effects() {
		b.done[effect] = noon
	}
	return o, b
}

func mailAt(o *order, at time.Time) mailsink.Message {
	return mailsink.Message{MessageID: smtp.MessageID(o.id, mailDomain), To: []string{o.person.email}, ReceivedAt: at}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*order, *book)
		want  string // part of the problem; no problem when empty
	}{
		{"all well", func(*order, *book) {}, ""},
		{"an effect undone", func(_ *order, b *book) { delete(b.done, bytebites.EffectLedger) }, "supplier_ledger of order ord_1 is not done"},
		{"booked twice", func(_ *order, b *book) { b.booking[milk] *= 2 }, "480 g in the ledger"},
		{"not booked", func(_ *order, b *book) { clear(b.booking) }, "0 entries of 0 g"},
		{"booked under another name", func(_ *order, b *book) { b.booking[entry{"Mill", "milk"}] = 200; delete(b.booking, milk) }, "2 entries of 280 g"},
		{"no mail", func(_ *order, b *book) { b.mails = nil }, "0 mails"},
		{"two mails", func(o *order, b *book) { b.mails = append(b.mails, mailAt(o, noon)) }, "2 mails"},
		{"a mail to another subscriber", func(_ *order, b *book) { b.mails[0].To = []string{"u2@bytebites.example"} }, "went to [u2@bytebites.example]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, b := dinner()
			test.spoil(o, b)
			bad, _ := kitchen().problems([]*order{o}, map[bytebites.OrderID]*book{o.id: b}, never)
			got := strings.Join(bad, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSecondMailsRestOnTimeWhenAllWereRetried(t *testing.T) {
	for _, test := range []struct {
		name  string
		after []time.Duration // of the mails after the first
		spoil func(*book)
		want  bool
	}{
		{"at once", []time.Duration{0}, func(*book) {}, false},
		{"retried", []time.Duration{11 * time.Second}, func(*book) {}, true},
		{"retried, and again at once", []time.Duration{11 * time.Second, 11 * time.Second}, func(*book) {}, false},
		{"retried, and booked twice", []time.Duration{11 * time.Second}, func(b *book) { b.booking[milk] *= 2 }, false},
		{"no mail", nil, func(b *book) { b.mails = nil }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, b := dinner()
			for _, after := range test.after {
				b.mails = append(b.mails, mailAt(o, noon.Add(after)))
			}
			test.spoil(b)
			bad, rests := kitchen().problems([]*order{o}, map[bytebites.OrderID]*book{o.id: b}, never)
			if len(bad) == 0 || (rests.Each > 0) != test.want {
				t.Errorf("%q rest on a wait of %v, want a wait: %t", bad, rests.Each, test.want)
			}
		})
	}
}

func TestKilledBetween(t *testing.T) {
	kill := noon.Add(10 * time.Second)
	excused := killedBetween([]time.Time{kill}, time.Second)
	at := func(seconds ...float64) (mails []mailsink.Message) {
		for _, s := range seconds {
			mails = append(mails, mailsink.Message{ReceivedAt: noon.Add(time.Duration(s * float64(time.Second)))})
		}
		return mails
	}
	for _, test := range []struct {
		name  string
		mails []mailsink.Message
		want  bool
	}{
		{"before and after", at(9.9, 12), true},
		{"taken from a dead worker, and sent again", at(10.5, 12), true},
		{"long after", at(11.5, 12), false},
		{"both before", at(8, 9), false},
		{"a third without a kill", at(9.9, 12, 13), false},
	} {
		if got := excused(test.mails); got != test.want {
			t.Errorf("%s: excused %t, want %t", test.name, got, test.want)
		}
	}
}

func TestChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*order, *book)
		want   string
	}{
		{"none", func(*order, *book) {}, ""},
		{"one more mail", func(o *order, b *book) { b.mails = append(b.mails, mailAt(o, noon)) }, "1 mails became 2"},
		{"another week", func(_ *order, b *book) { b.week = b.week.Add(time.Second) }, "week"},
		{"booked anew", func(_ *order, b *book) { b.booked = b.booked.Add(time.Second) }, "in the ledger"},
		{"more of it", func(_ *order, b *book) { b.booking[milk]++ }, "280 g in the ledger became 281 g"},
		{"done anew", func(_ *order, b *book) { b.done[bytebites.EffectEmail] = noon.Add(time.Second) }, "done anew"},
		{"paid", func(_ *order, b *book) { b.status = bytebites.OrderPaid }, "paid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, was := dinner()
			_, is := dinner()
			test.change(o, is)
			got := strings.Join(changes([]*order{o}, map[bytebites.OrderID]*book{o.id: was}, map[bytebites.OrderID]*book{o.id: is}), "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestBindingMatches(t *testing.T) {
	for key, want := range map[string]bool{
		"order_placed": true, "#": true, "*": true, "#.order_placed": true, "order_placed.#": true, "#.*": true,
		"": false, "payments": false, "*.*": false, "order_placed.*": false, "order": false,
	} {
		if got := (binding{Key: key}).matches("order_placed"); got != want {
			t.Errorf("%q: %t, want %t", key, got, want)
		}
	}
}

func TestReplicasThatDoTheWork(t *testing.T) {
	before := steps{"mail": 3, "place": 3}
	if got := stepsBetween(before, steps{"mail": 3, "place": 9, "outbox": 6}); got != nil {
		t.Errorf("got %q of replicas that only placed orders", got)
	}
	if got := few(stepsBetween(before, steps{"mail": 4, "place": 9, "ledger": 6})); !strings.Contains(got, "mail 1 times, ledger 6 times") {
		t.Errorf("got %q", got)
	}
}
