package dinner

import "testing"

func TestKindOf(t *testing.T) {
	for key, want := range map[string]string{
		"bytebites:1:meal:m0001":             "bytebites:1:meal",
		`bytebites:2:page:"":"":"":"a:b":20`: "bytebites:2:page",
		"meal:m0001":                         "meal",
		"lock":                               "lock",
	} {
		if got := kindOf(key); got != want {
			t.Errorf("kind of %s: %s, want %s", key, got, want)
		}
	}
}
