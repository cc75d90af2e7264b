package bytebites_test

import (
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
)

func TestValidName(t *testing.T) {
	for _, test := range []struct {
		about, text string
		want        bool
	}{
		{"an id", "u0000001", true},
		{"nothing", "", true},
		{"an address with letters of two bytes", "zoë@example.com", true},
		{"the longest", strings.Repeat("x", 512), true},
		{"one byte more", strings.Repeat("x", 513), false},
		{"more bytes than letters", strings.Repeat("ë", 257), false},
		{"a NUL byte", "a\x00b", false},
		{"broken UTF-8", "a\xff", false},
	} {
		t.Run(test.about, func(t *testing.T) {
			if got := bytebites.ValidName(test.text); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
