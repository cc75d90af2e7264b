package mine_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	own02 "bytebites.example/workshop/labs/02-horizontal"
	own03 "bytebites.example/workshop/labs/03-cache"
	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/mine"
	"bytebites.example/workshop/shared/workshop/course"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want mine.Choice
		ok   bool
	}{
		{"", mine.Choice{}, true},
		{"00", mine.Choice{0: true}, true},
		{"06,00", mine.Choice{0: true, 6: true}, true},
		{"3", mine.Choice{3: true}, true},
		{"07", mine.Choice{}, false},
		{"-1", mine.Choice{}, false},
		{"00,", mine.Choice{}, false},
		{"00-baseline", mine.Choice{}, false},
	} {
		if got, err := mine.Parse(test.text); got != test.want || (err == nil) != test.ok {
			t.Errorf("Parse(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
	}
	if text := (mine.Choice{0: true, 6: true}).String(); text != "00,06" {
		t.Errorf("String = %q", text)
	}
	if labs := course.Labs(); len(mine.Choice{}) != len(labs)-1 || labs[len(labs)-1].Number != len(mine.Choice{}) {
		t.Errorf("a choice of %d labs, and the course has %d", len(mine.Choice{}), len(labs))
	}
}

func TestLabs(t *testing.T) {
	solutions := below.Solutions()
	none := mine.Choice{}.Labs()
	if !bytes.Equal(none.Nginx, solutions.Nginx) || none.Redis != solutions.Redis || reflect.TypeOf(none.Router) != reflect.TypeOf(solutions.Router) {
		t.Error("without own labs they are not the solutions")
	}
	all := mine.Choice{2: true, 3: true, 4: true, 6: true}.Labs()
	if !bytes.Equal(all.Nginx, own02.NginxConf()) || all.Redis != own03.RedisConf() || reflect.TypeOf(all.Router) == reflect.TypeOf(solutions.Router) {
		t.Error("own labs are not the learner's")
	}
	if reflect.ValueOf(all.Policy).Pointer() == reflect.ValueOf(solutions.Policy).Pointer() {
		t.Error("an own policy is the solution's")
	}
	if want := []string{"--mine", "02,03,04,06"}; !slices.Equal(all.Args, want) {
		t.Errorf("arguments %q, want %q", all.Args, want)
	}
}

// The composition of a choice differs from that of the solutions in the lab that is chosen. A pool is a
// number, so it shows that without a server.
func TestCompose(t *testing.T) {
	solutions, own := mine.Choice{}.Compose(), mine.Choice{1: true}.Compose()
	if reflect.ValueOf(solutions.Checkout).Pointer() == 0 || len(solutions.SchemaChanges) == 0 || !solutions.Outbox {
		t.Error("the solutions are not composed")
	}
	if len(own.SchemaChanges) != len(solutions.SchemaChanges) {
		t.Error("an own lab 01 changes the schema")
	}
	index := func(c mine.Choice) string { return c.Compose().SchemaChanges[0].SQL }
	if index(mine.Choice{0: true}) == index(mine.Choice{}) {
		t.Error("an own lab 00 has the solution's index")
	}
}
