package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

// Security headers. The page has no inline script or style, so the policy allows none.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// requestInfo collects the facts about a request for the access log.
type requestInfo struct {
	id   string
	user string
	err  error // the full error, of which the client sees only a part
}

type requestInfoKey struct{}

func infoOf(ctx context.Context) *requestInfo {
	info, _ := ctx.Value(requestInfoKey{}).(*requestInfo)
	if info == nil { // only in a handler that is called without frame
		return &requestInfo{}
	}
	return info
}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

func newRequestID() string {
	var raw [12]byte
	rand.Read(raw[:]) //nolint:errcheck // crypto/rand never fails, it aborts the program
	return hex.EncodeToString(raw[:])
}

// frame wraps every request, also those that the router refuses. It adds the request id, the
// deadline, the instance name and the security headers.
func (a *api) frame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !requestIDPattern.MatchString(id) {
			id = newRequestID()
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.RequestTimeout)
		defer cancel()
		ctx = context.WithValue(ctx, requestInfoKey{}, &requestInfo{id: id})
		r = r.WithContext(ctx)

		h := w.Header()
		h.Set("X-Instance", a.Instance)
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.Method == http.MethodHead {
			// net/http leaves out the body, so the router can treat HEAD as GET.
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// statusClientGone is the status in metrics and log for a request whose client hung up before the
// answer. The number is nginx's.
const statusClientGone = 499

// observe counts, measures and logs a request.
func (a *api) observe(c *gin.Context) {
	start := time.Now()
	a.metrics.inFlight.Inc()
	defer func() {
		a.metrics.inFlight.Dec()
		took := time.Since(start)
		route, method, status := c.FullPath(), c.Request.Method, c.Writer.Status()
		if route == "" {
			route, method = "unmatched", "any" // a client must not be able to add time series
		}
		ctx := c.Request.Context()
		gone := errors.Is(ctx.Err(), context.Canceled)
		if gone {
			status = statusClientGone
		}
		a.metrics.observe(method, route, status, took)

		level := slog.LevelDebug
		switch {
		case gone: // the client's fault, not the service's
		case status >= http.StatusInternalServerError:
			level = slog.LevelError
		case took >= a.SlowRequest:
			level = slog.LevelInfo
		}
		if !a.Logger.Enabled(ctx, level) {
			return
		}
		info := infoOf(ctx)
		attrs := []slog.Attr{
			slog.String("request_id", info.id), slog.String("method", method), slog.String("route", route),
			slog.Int("status", status), slog.Duration("duration", took),
		}
		if info.user != "" {
			attrs = append(attrs, slog.String("user", info.user))
		}
		if info.err != nil {
			attrs = append(attrs, slog.String("error", info.err.Error()))
		}
		a.Logger.LogAttrs(ctx, level, "request", attrs...)
	}()
	c.Next()
}

// recoverPanics turns a panic into an internal problem. The stack goes only to the log.
func (a *api) recoverPanics(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		a.Logger.ErrorContext(c.Request.Context(), "panic", "request_id", infoOf(c.Request.Context()).id,
			"cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // part of the answer was sent: close the connection, do not complete the answer
		}
		a.fail(c, fmt.Errorf("panic: %v", cause))
	}()
	c.Next()
}

// refuseCrossOrigin refuses changes that a page of another origin sends through a browser. The
// cookie is SameSite=Strict, but other ports of one host count as the same site.
func (a *api) refuseCrossOrigin(c *gin.Context) {
	if err := a.crossOrigin.Check(c.Request); err != nil {
		a.fail(c, &requestError{kind: kindCrossOrigin, detail: "The request names another origin."})
	}
}

// handler is a gin handler that returns an error.
type handler func(c *gin.Context) error

func (a *api) handle(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			a.fail(c, err)
		}
	}
}

// fail answers with the problem for an error.
func (a *api) fail(c *gin.Context, err error) {
	ctx := c.Request.Context()
	p, header := problemOf(ctx, err)
	info := infoOf(ctx)
	p.Instance = info.id
	info.err = err
	for name, value := range header {
		c.Header(name, value)
	}
	c.Abort()
	writeJSON(c, p.Status, problemContentType, p)
}
