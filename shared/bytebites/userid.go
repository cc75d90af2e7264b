package bytebites

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strconv"
	"time"
)

// digits are the digits of strconv's base 32. They are sorted by their byte values.
const digits = "0123456789abcdefghijklmnopqrstuv"

// NewUserID returns a fresh id for a new subscriber. Its 27 characters are a "v", the
// milliseconds since 1970 as ten base-32 digits, and 80 random bits as sixteen more.
//
// Compared byte by byte, an id is greater than all ids of earlier milliseconds. It is also
// greater than the ids of the seeded subscribers, "u" and a number. Within a millisecond the
// order is random. A clock before 1970 counts as 1970.
func NewUserID(now time.Time) UserID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	milliseconds := strconv.FormatInt(max(now.UnixMilli(), 0), len(digits))
	encoding := base32.NewEncoding(digits).WithPadding(base32.NoPadding)
	return UserID(fmt.Sprintf("v%010s%s", milliseconds, encoding.EncodeToString(random[:])))
}
