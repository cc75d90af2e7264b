package httpapi

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"bytebites.example/workshop/shared/bytebites"
)

// Limits of a subscriber's input.
const (
	maxLines    = 20
	maxQuantity = 50 // portions of one meal
	maxKeyBytes = 64
	// bcrypt reads at most 72 bytes and would ignore the rest of a longer password.
	maxPasswordBytes = 72
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// validID reports whether an id is well formed. Stores are not asked for other ids.
func validID(id string) bool { return idPattern.MatchString(id) }

// validator collects the faults of a body.
type validator struct{ fields []fieldError }

// fail records a fault. An empty pointer means the whole body.
func (v *validator) fail(pointer, detail string, args ...any) {
	if pointer != "" {
		pointer = "/" + pointer
	}
	v.fields = append(v.fields, fieldError{Pointer: "#" + pointer, Detail: fmt.Sprintf(detail, args...)})
}

// err returns the problem, or nil without faults.
func (v *validator) err() error {
	if len(v.fields) == 0 {
		return nil
	}
	return &requestError{kind: kindInvalid, detail: v.fields[0].Pointer + " " + v.fields[0].Detail, fields: v.fields}
}

// text requires low to high characters without control characters.
func (v *validator) text(pointer, s string, low, high int) {
	switch n := utf8.RuneCountInString(s); {
	case n < low:
		v.fail(pointer, "must have at least %d characters", low)
	case n > high:
		v.fail(pointer, "must have at most %d characters", high)
	case !plainText(s):
		v.fail(pointer, "must not have control characters")
	}
}

// password requires low to maxPasswordBytes bytes without a NUL. bcrypt repeats a password with a NUL
// behind it until its key is full. So "ab", "ab\x00ab" and so on would be one password.
func (v *validator) password(pointer, s string, low int) {
	switch n := len(s); {
	case n < low || n > maxPasswordBytes:
		v.fail(pointer, "must have from %d to %d bytes", low, maxPasswordBytes)
	case strings.ContainsRune(s, 0):
		v.fail(pointer, "must not have a NUL character")
	}
}

func (v *validator) number(pointer string, n, low, high int64) {
	if n < low || n > high {
		v.fail(pointer, "must be from %d to %d", low, high)
	}
}

func (v *validator) words(pointer string, words []string, most int) {
	if len(words) > most {
		v.fail(pointer, "must have at most %d entries", most)
		return
	}
	for i, w := range words {
		v.text(fmt.Sprintf("%s/%d", pointer, i), w, 1, 40)
	}
}

func (v *validator) id(pointer, id string) {
	if !validID(id) {
		v.fail(pointer, "is not an id")
	}
}

func (v *validator) lines(lines []lineBody, least int) {
	if len(lines) < least || len(lines) > maxLines {
		v.fail("lines", "must have from %d to %d entries", least, maxLines)
		return
	}
	seen := make(map[string]bool, len(lines))
	for i, l := range lines {
		v.id(fmt.Sprintf("lines/%d/meal_id", i), l.Meal)
		v.number(fmt.Sprintf("lines/%d/quantity", i), int64(l.Quantity), 1, maxQuantity)
		if seen[l.Meal] {
			v.fail(fmt.Sprintf("lines/%d/meal_id", i), "is in another line too")
		}
		seen[l.Meal] = true
	}
}

func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		// Cf holds characters that reverse or hide text.
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == '\u2028' || r == '\u2029'
	})
}

// validKey reports whether an Idempotency-Key has 1 to 64 printable ASCII characters.
func validKey(key string) bool {
	if key == "" || len(key) > maxKeyBytes {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// lineBody is a meal and its quantity in a body.
type lineBody struct {
	Meal     string `json:"meal_id"`
	Quantity int    `json:"quantity"`
}

func linesOf(bodies []lineBody) []bytebites.Line {
	lines := make([]bytebites.Line, len(bodies))
	for i, b := range bodies {
		lines[i] = bytebites.Line{Meal: bytebites.MealID(b.Meal), Quantity: b.Quantity}
	}
	return lines
}
