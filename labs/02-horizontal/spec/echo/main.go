// Command echo stands behind the learner's nginx in place of a replica. It answers each request
// with what it has received, keeps a note of it, and misbehaves when the request says so.
package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
)

// maxBody is more than any request of the checks has.
const maxBody = 1 << 20

func main() {
	e := &echo{name: os.Getenv("BYTEBITES_INSTANCE")}
	notes := http.NewServeMux()
	notes.HandleFunc("GET /notes", e.list)
	go serve(cmp.Or(os.Getenv("BYTEBITES_PPROF_ADDR"), ":6060"), notes)
	api := http.NewServeMux()
	api.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	api.Handle("/", http.HandlerFunc(e.answer))
	serve(cmp.Or(os.Getenv("BYTEBITES_ADDR"), ":8080"), api)
}

func serve(addr string, handler http.Handler) {
	server := &http.Server{Addr: addr, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type echo struct {
	name string

	mu    sync.Mutex
	notes []seen.Request
}

// answer notes the request and answers with the note.
func (e *echo) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	hash := sha256.Sum256(body)
	note := seen.Request{
		Instance: e.name, ID: r.Header.Get(seen.IDHeader), Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header,
		BodyBytes: len(body), BodyHash: hex.EncodeToString(hash[:]), Whole: err == nil,
	}
	e.mu.Lock()
	e.notes = append(e.notes, note)
	e.mu.Unlock()
	status := http.StatusOK
	switch do := r.Header.Get(seen.DoHeader); {
	case do == seen.HangUp, do == seen.HangUpAt+e.name:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	case do != "":
		if n, err := strconv.Atoi(do); err == nil {
			status = n
		}
	}
	h := w.Header()
	h.Set("X-Instance", e.name)
	h.Set("Content-Type", seen.ContentType)
	for name, value := range seen.Headers() {
		h.Set(name, value)
	}
	for _, cookie := range seen.Cookies() {
		h.Add("Set-Cookie", cookie)
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(note) // the client may have gone
	}
}

// list answers with the notes of all requests, or of those with the id in the query.
func (e *echo) list(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := []seen.Request{}
	for _, note := range e.notes {
		if id := r.URL.Query().Get("id"); id == "" || note.ID == id {
			found = append(found, note)
		}
	}
	_ = json.NewEncoder(w).Encode(found) // the client may have gone
}
