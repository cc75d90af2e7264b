package httpapi

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// A cursor is opaque to clients. It is the key of the last row of a page, after a prefix for the
// list, so that it works for one list only.
const (
	mealCursor  = "m:"
	orderCursor = "o:"
)

// maxCursorBytes is more than the length of any valid cursor.
const maxCursorBytes = 128

func encodeCursor(of, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(of + key))
}

func decodeCursor(of, cursor string) (string, bool) {
	if len(cursor) > maxCursorBytes {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder skips line ends, but a valid cursor has none.
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return "", false
	}
	return strings.CutPrefix(string(raw), of)
}

func cursorAfterMeal(id bytebites.MealID) string { return encodeCursor(mealCursor, string(id)) }

func mealAfterCursor(cursor string) (bytebites.MealID, error) {
	id, found := decodeCursor(mealCursor, cursor)
	if !found || !validID(id) {
		return "", malformed("The cursor is not from this list.")
	}
	return bytebites.MealID(id), nil
}

// cursorBeforeTime keeps microseconds, which is the precision of PostgreSQL.
func cursorBeforeTime(t time.Time) string {
	return encodeCursor(orderCursor, strconv.FormatInt(t.UnixMicro(), 10))
}

func timeBeforeCursor(cursor string) (time.Time, error) {
	key, found := decodeCursor(orderCursor, cursor)
	micros, err := strconv.ParseInt(key, 10, 64)
	// JSON and SQL can represent times until the end of the year 9999.
	if !found || err != nil || micros <= 0 || micros > 253402300799_000000 || strconv.FormatInt(micros, 10) != key {
		return time.Time{}, malformed("The cursor is not from this list.")
	}
	return time.UnixMicro(micros).UTC(), nil
}
