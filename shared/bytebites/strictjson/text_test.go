package strictjson_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"bytebites.example/workshop/shared/bytebites/strictjson"
)

func TestCheckText(t *testing.T) {
	for _, test := range []struct {
		about, text string
		want        error
	}{
		{"nothing", ``, nil},
		{"no string", `[1, true, {}]`, nil},
		{"a pair", `"\ud83e\udd66"`, nil},
		{"a pair in capitals", `"\uD83E\uDD66"`, nil},
		{"two pairs", `"\ud83e\udd66\ud83e\udd66"`, nil},
		{"the character itself", `"🥦"`, nil},
		{"the replacement character", `["\ufffd", "` + "\ufffd" + `"]`, nil},
		{"an escaped backslash before a u", `"\\ud800"`, nil},
		{"the neighbours of the surrogates", `"\ud7ff\ue000"`, nil},
		{"a high half", `"\ud800"`, strictjson.ErrLoneSurrogate},
		{"the last high half", `"\udbff"`, strictjson.ErrLoneSurrogate},
		{"a low half", `"\udc00"`, strictjson.ErrLoneSurrogate},
		{"the last low half", `"\udfff"`, strictjson.ErrLoneSurrogate},
		{"a high half in capitals", `"\uD800"`, strictjson.ErrLoneSurrogate},
		{"a high half before a letter", `"\ud800x"`, strictjson.ErrLoneSurrogate},
		{"a high half before another escape", `"\ud800\n"`, strictjson.ErrLoneSurrogate},
		{"a high half before another unit", `"\ud800\u0041"`, strictjson.ErrLoneSurrogate},
		{"the halves turned around", `"\udd66\ud83e"`, strictjson.ErrLoneSurrogate},
		{"two high halves before a low one", `"\ud83e\ud83e\udd66"`, strictjson.ErrLoneSurrogate},
		{"a low half after a pair", `"\ud83e\udd66\udd66"`, strictjson.ErrLoneSurrogate},
		{"halves in two strings", `["\ud83e","\udd66"]`, strictjson.ErrLoneSurrogate},
		{"in a name", `{"\ud800":1}`, strictjson.ErrLoneSurrogate},
		{"behind an escaped backslash", `"\\\ud800"`, strictjson.ErrLoneSurrogate},
		{"broken UTF-8", "\"\xff\"", strictjson.ErrNotUTF8},
		{"an encoded surrogate", "\"\xed\xa0\x80\"", strictjson.ErrNotUTF8},
		{"an overlong NUL", "\"\xc0\x80\"", strictjson.ErrNotUTF8},
		{"cut off", `"\`, nil},
		{"cut off in an escape", `"\u12`, nil},
	} {
		t.Run(test.about, func(t *testing.T) {
			if err := strictjson.CheckText([]byte(test.text)); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", test.text, err, test.want)
			}
		})
	}
}

var escapes = regexp.MustCompile(`\\(u[0-9A-Fa-f]{4}|.)`)

// FuzzCheckText compares CheckText with what encoding/json makes of a string: the string is kept
// if, and only if, the decoder adds no replacement character.
func FuzzCheckText(f *testing.F) {
	for _, seed := range []string{"", "plain", `\ud83e\udd66`, `\ud800`, `\udc00\ud800`, `\\ud800`, `\ufffd`, "\ufffd", `\n\u0000`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		text := `"` + content + `"`
		var decoded string
		if json.Unmarshal([]byte(text), &decoded) != nil {
			_ = strictjson.CheckText([]byte(text)) // must not panic
			return
		}
		meant := strings.Count(content, string(utf8.RuneError))
		for _, escape := range escapes.FindAllString(content, -1) {
			if unit, err := strconv.ParseUint(escape[2:], 16, 16); len(escape) > 2 && err == nil && unit == utf8.RuneError {
				meant++
			}
		}
		kept := utf8.ValidString(content) && strings.Count(decoded, string(utf8.RuneError)) == meant
		if err := strictjson.CheckText([]byte(text)); (err == nil) != kept {
			t.Errorf("%s: got %v, and encoding/json keeps it: %t", text, err, kept)
		}
	})
}
