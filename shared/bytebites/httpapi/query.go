package httpapi

import (
	"fmt"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

// query reads the parameters of a request and keeps the first error.
type query struct {
	values url.Values
	err    error
}

func queryOf(c *gin.Context) *query {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return &query{err: malformed("The query is not well formed.")}
	}
	return &query{values: values}
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = malformed(fmt.Sprintf(format, args...))
	}
}

// text returns a parameter with at most high characters, or "" if it is absent.
func (q *query) text(name string, high int) string {
	if len(q.values[name]) > 1 {
		q.fail("Parameter %s is given twice.", name)
	}
	s := q.values.Get(name)
	if utf8.RuneCountInString(s) > high || !plainText(s) {
		q.fail("Parameter %s must have at most %d characters, and no control characters.", name, high)
		return ""
	}
	return s
}

func (q *query) number(name string, low, high, absent int) int {
	s := q.text(name, 12)
	if s == "" {
		return absent
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		q.fail("Parameter %s must be a number from %d to %d.", name, low, high)
		return absent
	}
	return n
}
