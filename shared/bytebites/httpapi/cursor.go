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

// lastMicro is the last microsecond of the year 9999. JSON and SQL represent times until then.
const lastMicro = 253402300799_999999

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

// cursorAfterOrder names the time and the id of an order, because several orders can have the same
// time. It keeps microseconds, which is the precision of PostgreSQL.
func cursorAfterOrder(at bytebites.HistoryCursor) string {
	return encodeCursor(orderCursor, strconv.FormatInt(at.PlacedAt.UnixMicro(), 10)+":"+string(at.ID))
}

func orderAfterCursor(cursor string) (bytebites.HistoryCursor, error) {
	key, found := decodeCursor(orderCursor, cursor)
	stamp, id, both := strings.Cut(key, ":")
	micros, err := strconv.ParseInt(stamp, 10, 64)
	if !found || !both || !validID(id) || err != nil || micros <= 0 || micros > lastMicro || strconv.FormatInt(micros, 10) != stamp {
		return bytebites.HistoryCursor{}, malformed("The cursor is not from this list.")
	}
	return bytebites.HistoryCursor{PlacedAt: time.UnixMicro(micros).UTC(), ID: bytebites.OrderID(id)}, nil
}
