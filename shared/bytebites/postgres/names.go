package postgres

import (
	"database/sql"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// maxName is the length in bytes of the longest id, key or email address that is looked
// up. All real ones are far shorter. Beyond it PostgreSQL cannot index a value, and says
// so in error messages that quote it; the driver (lib/pq 1.12.3, its issue 1324) loses
// the thread on a connection after a message of over 30,000 bytes.
const maxName = 512

// name is the parameter for an id, a key or an address that a row is looked up by or
// belongs to. What no row can be called is null: it equals nothing, and cannot be stored.
func name[Text ~string](text Text) sql.NullString {
	return sql.NullString{String: string(text), Valid: canBeName(string(text))}
}

// names is the parameter for several of them; it leaves out what no row can be called.
func names[Text ~string](texts []Text) pq.StringArray {
	out := make(pq.StringArray, 0, len(texts))
	for _, text := range texts {
		if canBeName(string(text)) {
			out = append(out, string(text))
		}
	}
	return out
}

// CanBeName reports whether a row can be called so: an id that cannot is nobody's.
func CanBeName(text string) bool { return canBeName(text) }

func canBeName(text string) bool {
	return len(text) <= maxName && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

// storable returns free text with all that PostgreSQL cannot store replaced.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", string(utf8.RuneError))
}

// storableAll is storable for each of the texts. It is never nil, for the columns that
// hold lists are never null.
func storableAll(texts []string) pq.StringArray {
	out := make(pq.StringArray, len(texts))
	for i, text := range texts {
		out[i] = storable(text)
	}
	return out
}

// allNames reports whether all meals can be names.
func allNames(lines map[bytebites.MealID]int) bool {
	for meal := range lines {
		if !canBeName(string(meal)) {
			return false
		}
	}
	return true
}
