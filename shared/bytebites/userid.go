package bytebites

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strconv"
	"time"
)

// digits are those of strconv's base 32. Their order is that of their bytes.
const digits = "0123456789abcdefghijklmnopqrstuv"

// NewUserID returns a fresh id for a subscriber who joins now: "v", the milliseconds since
// 1970 in ten digits of base 32, and 80 random bits in sixteen more, 27 characters in all.
//
// Compared byte by byte, an id is greater than all ids of earlier milliseconds, and greater
// than those that the first subscribers have, "u" and a number. Within a millisecond the
// order is random. A clock before 1970 counts as 1970.
func NewUserID(now time.Time) UserID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	milliseconds := strconv.FormatInt(max(now.UnixMilli(), 0), len(digits))
	encoding := base32.NewEncoding(digits).WithPadding(base32.NoPadding)
	return UserID(fmt.Sprintf("v%010s%s", milliseconds, encoding.EncodeToString(random[:])))
}
