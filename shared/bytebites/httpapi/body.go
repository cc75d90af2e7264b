package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode"

	"bytebites.example/workshop/shared/bytebites/strictjson"
	"github.com/gin-gonic/gin"
)

// maxJSONDepth is deeper than any body of the API. A deeper body is refused as an attack.
const maxJSONDepth = 8

// readBody reads a JSON body unchanged, within the limits of size and time.
func (a *api) readBody(c *gin.Context) ([]byte, error) {
	if types := c.Request.Header.Values("Content-Type"); len(types) != 1 || !isJSON(types[0]) {
		return nil, &requestError{kind: kindMediaType, detail: "Send Content-Type: application/json."}
	}
	if c.Request.Header.Get("Content-Encoding") != "" {
		return nil, &requestError{kind: kindMediaType, detail: "Send the body without Content-Encoding."}
	}
	if c.Request.ContentLength > a.MaxBodyBytes {
		return nil, a.tooLarge()
	}
	control := http.NewResponseController(c.Writer)
	// Response writers of tests have no deadlines; real connections have.
	bounded := control.SetReadDeadline(time.Now().Add(a.BodyTimeout)) == nil
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, a.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, a.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &requestError{kind: kindSlowBody, detail: fmt.Sprintf("A body must arrive within %v.", a.BodyTimeout),
			header: map[string]string{"Connection": "close"}}
	case err != nil:
		return nil, &requestError{kind: kindMalformed, detail: "The body is incomplete.", header: map[string]string{"Connection": "close"}}
	}
	if bounded {
		// The deadline was for the body. If it stayed, it could fire while the handler works, and
		// net/http would treat that as a client that hung up.
		if err := control.SetReadDeadline(time.Time{}); err != nil {
			return nil, fmt.Errorf("clear read deadline: %w", err)
		}
	}
	return body, nil
}

func (a *api) tooLarge() error {
	return &requestError{kind: kindTooLarge, detail: fmt.Sprintf("A body has at most %d bytes.", a.MaxBodyBytes),
		header: map[string]string{"Connection": "close"}}
}

func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != jsonContentType {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// readJSON decodes a body strictly into dst.
func (a *api) readJSON(c *gin.Context, dst any) error {
	body, err := a.readBody(c)
	if err != nil {
		return err
	}
	return decodeJSON(body, dst)
}

// decodeJSON is stricter than encoding/json, which takes the last of two equal names, ignores case
// and replaces text that is not Unicode. It refuses bodies that two readers could understand in two
// ways.
func decodeJSON(body []byte, dst any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("The body is empty.")
	}
	switch err := strictjson.CheckText(body); {
	case errors.Is(err, strictjson.ErrNotUTF8):
		return malformed("The body is not UTF-8.")
	case err != nil: // stored as U+FFFD, two different passwords would be equal
		return malformed("The body has a \\u escape of half a surrogate pair.")
	}
	if !json.Valid(body) {
		return malformed("The body is not one JSON value.")
	}
	if err := checkNames(json.NewDecoder(bytes.NewReader(body)), 0); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(dst)
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		if wrongType.Field == "" {
			return malformed("The body must be a JSON object.")
		}
		return malformed(fmt.Sprintf("Field %q does not take a %s.", wrongType.Field, wrongType.Value))
	default: // unknown field: the error quotes only its name
		return malformed(strings.TrimPrefix(err.Error(), "json: "))
	}
}

// checkNames walks through one value and refuses repeated names and deep nesting.
func checkNames(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return malformed("The body is not one JSON value.")
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		return nil
	}
	if depth >= maxJSONDepth {
		return malformed("The body is nested too deeply.")
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return malformed("The body is not one JSON value.")
			}
			key, _ := name.(string)
			if seen[fold(key)] {
				return malformed(fmt.Sprintf("Field %q is given twice.", key))
			}
			seen[fold(key)] = true
		}
		if err := checkNames(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed("The body is not one JSON value.")
	}
	return nil
}

// fold returns the same spelling for all names that encoding/json treats as equal. encoding/json
// ignores case by Unicode rules, so ſ equals s.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
