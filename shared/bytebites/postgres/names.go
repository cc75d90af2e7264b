package postgres

import (
	"database/sql"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// name is the parameter for an id, a key or an address that identifies a row or its owner.
// An invalid name (see bytebites.ValidName) becomes NULL, which equals nothing and cannot be
// stored. An invalid name must not reach the server. PostgreSQL quotes a value that is too long
// for an index in its error message. A message of over 30,000 bytes breaks the driver's
// connection (lib/pq 1.12.3, its issue 1324).
func name[Text ~string](text Text) sql.NullString {
	return sql.NullString{String: string(text), Valid: bytebites.ValidName(string(text))}
}

// names is the parameter for several names. It leaves out invalid ones, because no row has them.
func names[Text ~string](texts []Text) pq.StringArray {
	out := make(pq.StringArray, 0, len(texts))
	for _, text := range texts {
		if bytebites.ValidName(string(text)) {
			out = append(out, string(text))
		}
	}
	return out
}

// storable returns free text in which U+FFFD replaces NUL bytes and broken UTF-8, because
// PostgreSQL cannot store these.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", string(utf8.RuneError))
}

// storableAll applies storable to each text. Its result is never nil, because the columns that
// hold lists are NOT NULL.
func storableAll(texts []string) pq.StringArray {
	out := make(pq.StringArray, len(texts))
	for i, text := range texts {
		out[i] = storable(text)
	}
	return out
}

// allNames reports whether all meal ids are valid names.
func allNames(lines map[bytebites.MealID]int) bool {
	for meal := range lines {
		if !bytebites.ValidName(string(meal)) {
			return false
		}
	}
	return true
}
