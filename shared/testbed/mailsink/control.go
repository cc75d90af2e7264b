package mailsink

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const (
	maxControlBody = 4 << 10
	maxListed      = 10_000
)

// Control returns the control interface:
//
//	GET    /healthz                 200 when up
//	GET    /stats                   the counts, as Stats
//	GET    /messages?to=A&limit=N   the latest N messages (default 1,000) to A, or to all
//	DELETE /messages                delete messages and counts
//	DELETE /everything              settings too, as a restart does
//	PUT    /delay   {"delay_ms": 60}
//	PUT    /failure {"rate": 0.5}   share of messages rejected with a temporary error; with
//	                                "permanent": true, for good
func (s *Sink) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { respond(w, map[string]string{"status": "ok"}) })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { respond(w, s.Stats()) })
	mux.HandleFunc("GET /messages", s.listMessages)
	mux.HandleFunc("DELETE /messages", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		respond(w, s.Stats())
	})
	mux.HandleFunc("DELETE /everything", func(w http.ResponseWriter, _ *http.Request) {
		s.Renew()
		respond(w, s.Stats())
	})
	mux.HandleFunc("PUT /delay", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			DelayMillis *int64 `json:"delay_ms"`
		}
		if !decode(w, r, &body) {
			return
		}
		if body.DelayMillis == nil {
			http.Error(w, "delay_ms: required", http.StatusBadRequest)
			return
		}
		// Bound the number first, because the multiplication could overflow.
		ms := min(max(*body.DelayMillis, -1), maxDelay.Milliseconds()+1)
		s.change(w, s.SetDelay(time.Duration(ms)*time.Millisecond))
	})
	mux.HandleFunc("PUT /failure", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Rate      *float64 `json:"rate"`
			Permanent bool     `json:"permanent"`
		}
		if !decode(w, r, &body) {
			return
		}
		if body.Rate == nil {
			http.Error(w, "rate: required", http.StatusBadRequest)
			return
		}
		err := s.SetFailureRate(*body.Rate)
		if err == nil {
			s.SetPermanent(body.Permanent)
		}
		s.change(w, err)
	})
	return mux
}

func (s *Sink) listMessages(w http.ResponseWriter, r *http.Request) {
	limit := 1000
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxListed {
			http.Error(w, "limit: want 1 to "+strconv.Itoa(maxListed), http.StatusBadRequest)
			return
		}
		limit = n
	}
	respond(w, s.Messages(r.URL.Query().Get("to"), limit))
}

// change answers with the error of a change, or with the current counts and settings.
func (s *Sink) change(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	respond(w, s.Stats())
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, "malformed body: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func respond(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // an error means that the client has gone
}
