package bytebites

import (
	"strings"
	"unicode/utf8"
)

// maxNameBytes bounds a name. Real names are far shorter. PostgreSQL cannot index a value of
// more than about 2,700 bytes, and 512 bytes are safe in every store and message.
const maxNameBytes = 512

// ValidName reports whether text can be an id, a key or an email address: at most 512 bytes of
// valid UTF-8 without a NUL byte. Nothing is stored under another name, so a store answers a
// look-up by an invalid name with ErrNotFound. The empty text is valid; callers that need a
// name check for it.
func ValidName(text string) bool {
	return len(text) <= maxNameBytes && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}
