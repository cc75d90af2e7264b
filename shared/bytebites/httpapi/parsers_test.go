package httpapi

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// The signature of a known body shows that Sign and verifySignature are not wrong in the same way.
// Computed with: printf '1700000000.{"id":"e"}' | openssl dgst -sha256 -hmac secret.
func TestSignIsHMACOfTimeAndBody(t *testing.T) {
	const want = "t=1700000000,v1=c8710bfad0d5744c091661b621aa5a921003ddb478e5004c4b34e1bc1fbcc919"
	if got := Sign([]byte("secret"), []byte(`{"id":"e"}`), time.Unix(1700000000, 0)); got != want {
		t.Errorf("expected %s, saw %s", want, got)
	}
}

func TestVerifySignature(t *testing.T) {
	secret, body, now := []byte("secret"), []byte("body"), time.Unix(1_700_000_000, 0)
	genuine := Sign(secret, body, now)
	stamp, hash, _ := strings.Cut(genuine, ",")
	other := hex.EncodeToString(make([]byte, 32))
	for _, test := range []struct {
		name, header string
		at           time.Time
		ok           bool
	}{
		{"genuine", genuine, now, true},
		{"at the end of the tolerance", genuine, now.Add(SignatureTolerance), true},
		{"after it", genuine, now.Add(SignatureTolerance + time.Second), false},
		{"before it", genuine, now.Add(-SignatureTolerance - time.Second), false},
		{"beside another key's", stamp + ",v1=" + other + "," + hash, now, true},
		{"beside a later scheme's", genuine + ",v2=abc", now, true},
		{"with blanks", stamp + ", " + hash, now, true},
		{"only another key's", stamp + ",v1=" + other, now, false},
		{"empty", "", now, false},
		{"no hash", stamp, now, false},
		{"no time", hash, now, false},
		{"two times", stamp + "," + genuine, now, false},
		{"too many hashes", stamp + strings.Repeat(",v1="+other, 5) + "," + hash, now, false},
		{"other time", "t=1700000001," + hash, now, false},
		{"the same time, spelt differently", "t=01700000000," + hash, now, false},
	} {
		if err := verifySignature(secret, test.header, body, test.at); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if verifySignature([]byte("guess"), genuine, body, now) == nil || verifySignature(secret, genuine, []byte("Body"), now) == nil {
		t.Error("another secret or another body was taken")
	}
}

func FuzzSignature(f *testing.F) {
	secret, now := []byte("secret"), time.Unix(1_700_000_000, 0)
	f.Add(Sign(secret, []byte("x"), now), []byte("x"))
	f.Add("t=1,v1=", []byte{})
	f.Add("v1=00,t=-1", []byte("{}"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if verifySignature(secret, header, body, now) != nil {
			return
		}
		// An accepted header must contain the hash that only the secret can make.
		s, err := parseSignature(header)
		if err != nil {
			t.Fatal(err)
		}
		want := hex.EncodeToString(signatureOf(secret, s.stamp, body))
		if !strings.Contains(strings.ToLower(header), want) {
			t.Fatalf("%q was taken for %q", header, body)
		}
	})
}

func TestCursors(t *testing.T) {
	if id, err := mealAfterCursor(cursorAfterMeal("m0042")); err != nil || id != "m0042" {
		t.Errorf("saw meal %q, %v", id, err)
	}
	at := bytebites.HistoryCursor{PlacedAt: time.Date(2026, 3, 1, 18, 2, 11, 482_123_999, time.UTC), ID: bytebites.OrderID(strings.Repeat("o", 64))}
	want := bytebites.HistoryCursor{PlacedAt: at.PlacedAt.Truncate(time.Microsecond), ID: at.ID}
	if got, err := orderAfterCursor(cursorAfterOrder(at)); err != nil || got != want {
		t.Errorf("saw order %v, %v", got, err)
	}
	if long := cursorAfterOrder(bytebites.HistoryCursor{PlacedAt: time.UnixMicro(lastMicro), ID: at.ID}); len(long) > maxCursorBytes {
		t.Errorf("the longest cursor has %d bytes", len(long))
	}
	for _, cursor := range []string{"", "x", cursorAfterOrder(at), encodeCursor(mealCursor, ""), encodeCursor(mealCursor, "a'b"), encodeCursor(mealCursor, strings.Repeat("m", 65)), strings.Repeat("A", 200)} {
		if id, err := mealAfterCursor(cursor); err == nil {
			t.Errorf("%q was taken for meal %q", cursor, id)
		}
	}
	for _, key := range []string{
		"1700000000000000", // earlier versions had only the time
		"", ":", "1700000000000000:", ":o1", "-1:o1", "1e3:o1", "+5:o1", "05:o1", "0:o1", "9223372036854775807:o1", "253402300800000000:o1",
		"1700000000000000:a'b", "1700000000000000:o1:o2", "1700000000000000:\xff", "1700000000000000:" + strings.Repeat("o", 65),
	} {
		if got, err := orderAfterCursor(encodeCursor(orderCursor, key)); err == nil {
			t.Errorf("%q was taken for %v", key, got)
		}
	}
	for _, cursor := range []string{"", "x", cursorAfterMeal("m1")} {
		if got, err := orderAfterCursor(cursor); err == nil {
			t.Errorf("%q was taken for %v", cursor, got)
		}
	}
}

// An accepted cursor equals the cursor that the API would give.
func FuzzCursor(f *testing.F) {
	f.Add(cursorAfterMeal("m0001"))
	f.Add(cursorAfterOrder(bytebites.HistoryCursor{PlacedAt: time.Unix(1_700_000_000, 0), ID: "ord_1"}))
	f.Add("bzox")
	f.Fuzz(func(t *testing.T, cursor string) {
		if id, err := mealAfterCursor(cursor); err == nil && cursorAfterMeal(id) != cursor {
			t.Errorf("%q was taken for %q", cursor, id)
		}
		if at, err := orderAfterCursor(cursor); err == nil && cursorAfterOrder(at) != cursor {
			t.Errorf("%q was taken for %v", cursor, at)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"lines":[{"meal_id":"m1","quantity":2}]}`, `{"lines":null}`, `[`, `{"lines":[],"Lines":[]}`, `{"lines":[]} x`, "\xff", `{"lines":[[[[[[[[[[]]]]]]]]]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var dst linesBody
		if decodeJSON(body, &dst) != nil {
			return
		}
		var v validator
		v.lines(dst.Lines, 1)
		if v.err() != nil {
			return
		}
		seen := map[bytebites.MealID]bool{}
		for _, l := range linesOf(dst.Lines) {
			if l.Quantity < 1 || l.Quantity > maxQuantity || !validID(string(l.Meal)) || seen[l.Meal] {
				t.Fatalf("%q was taken for %+v", body, dst)
			}
			seen[l.Meal] = true
		}
	})
}

// FuzzTextOfBodies decodes a text in a body. An accepted text has U+FFFD only where the body has it, so
// no other character was replaced.
func FuzzTextOfBodies(f *testing.F) {
	for _, seed := range []string{"", "Home", `\ud83e\udd66`, `\ud800`, `\udc00\ud800`, `\\ud800`, `\ufffd`, "\ufffd", "a\u0000b", "\xff", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body := []byte(`{"addresses":[{"label":"` + text + `"}]}`)
		var dst addressesBody
		if decodeJSON(body, &dst) != nil || len(dst.Addresses) != 1 {
			return
		}
		meant := strings.Count(text, "\ufffd") + strings.Count(strings.ToLower(strings.ReplaceAll(text, `\\`, "")), `\ufffd`)
		if got := strings.Count(dst.Addresses[0].Label, "\ufffd"); got > meant {
			t.Errorf("%q was taken for %q", text, dst.Addresses[0].Label)
		}
	})
}

func TestPlainText(t *testing.T) {
	for s, want := range map[string]bool{
		"Crème fraîche, 200 g": true, "👩‍👩‍👧 dinner": true, "日本": true, "": true,
		"a\x00b": false, "a\nb": false, "\x7f": false, "\u0085": false, "right\u202eleft": false, "\ufeff": false, "\xff": false, "\u2028": false,
	} {
		if got := plainText(s); got != want {
			t.Errorf("plainText(%q) = %v", s, got)
		}
	}
}
