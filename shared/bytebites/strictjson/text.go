// Package strictjson finds text in JSON that encoding/json replaces without an error.
package strictjson

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The errors of CheckText.
var (
	ErrNotUTF8       = errors.New("text is not UTF-8")
	ErrLoneSurrogate = errors.New("text has a \\u escape of half a surrogate pair")
)

// escapeBytes is the length of an escape such as \ud83e.
const escapeBytes = 6

// CheckText returns ErrNotUTF8 or ErrLoneSurrogate if a JSON text has a string that is not Unicode.
// encoding/json decodes each such part as U+FFFD, so that different strings become equal. CheckText
// does not check the syntax: text outside of strings may be anything that has no backslash.
func CheckText(text []byte) error {
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return nil
		}
		text = text[at:]
		half, escaped := codeUnit(text)
		if !escaped {
			text = text[min(2, len(text)):] // an escape of one character, such as \\ or \"
			continue
		}
		text = text[escapeBytes:]
		if !utf16.IsSurrogate(half) {
			continue
		}
		other, _ := codeUnit(text)
		if utf16.DecodeRune(half, other) == utf8.RuneError {
			return ErrLoneSurrogate
		}
		text = text[escapeBytes:]
	}
}

// codeUnit returns the UTF-16 code unit of the \u escape at the start of text, if there is one.
func codeUnit(text []byte) (rune, bool) {
	if len(text) < escapeBytes || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:escapeBytes]), 16, 16)
	return rune(unit), err == nil
}
