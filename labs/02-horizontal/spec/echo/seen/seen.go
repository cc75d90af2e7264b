// Package seen is what the checks of lab 02 and the program echo say to each other.
package seen

import "net/http"

const (
	// IDHeader names a request, so that a check finds it in the notes.
	IDHeader = "X-Check-Id"
	// DoHeader says what to do with a request: answer it with this status, or hang up.
	DoHeader = "X-Check-Do"
	// HangUp closes the connection without an answer.
	HangUp = "hang-up"
	// HangUpAt is a prefix: with the name of an instance behind it, only that one hangs up.
	HangUpAt = "hang-up-at "
	// ContentType is that of every answer.
	ContentType = "application/problem+json"
)

// Cookies are what every answer sets.
func Cookies() []string { return []string{"one=1; Path=/; HttpOnly", "two=2; Path=/; SameSite=Strict"} }

// Headers are what every answer has beside them.
func Headers() map[string]string {
	return map[string]string{
		"Cache-Control": "no-store", "ETag": `"e-1"`, "Location": "/orders/o-1", "Retry-After": "7", "WWW-Authenticate": `Bearer realm="staff"`,
	}
}

// Request is a request as an instance received it.
type Request struct {
	Instance  string      `json:"instance"`
	ID        string      `json:"id"`
	Method    string      `json:"method"`
	URI       string      `json:"uri"`
	Host      string      `json:"host"`
	Header    http.Header `json:"header"`
	BodyBytes int         `json:"body_bytes"`
	BodyHash  string      `json:"body_hash"` // SHA-256, in hexadecimal
	Whole     bool        `json:"whole"`     // the body came to its end
}
