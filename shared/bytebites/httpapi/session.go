package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/bcrypt"
)

// SessionCookie is the name of the cookie with a session's token.
const SessionCookie = "bytebites_session"

const tokenBytes = 32 // 256 bits

var errSignedOut = fmt.Errorf("no valid session: %w", bytebites.ErrUnauthorized)

func newToken() string {
	var raw [tokenBytes]byte
	rand.Read(raw[:]) //nolint:errcheck // crypto/rand never fails, it aborts the program
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// tokenHash returns the hash of the request's token. It checks the form first, so that invented
// cookies cause no query.
func tokenHash(r *http.Request) ([sha256.Size]byte, bool) {
	cookies := r.CookiesNamed(SessionCookie)
	if len(cookies) != 1 {
		return [sha256.Size]byte{}, false
	}
	token := cookies[0].Value
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(token); err != nil || len(raw) != tokenBytes {
		return [sha256.Size]byte{}, false
	}
	return sha256.Sum256([]byte(token)), true
}

// signedIn calls next only for requests with a live session.
func (a *api) signedIn(next func(*gin.Context, bytebites.Session) error) handler {
	return func(c *gin.Context) error {
		hash, found := tokenHash(c.Request)
		if !found {
			return errSignedOut
		}
		session, err := a.Sessions.Session(c.Request.Context(), hash)
		if errors.Is(err, bytebites.ErrNotFound) {
			return errSignedOut
		}
		if err != nil {
			return fmt.Errorf("load session: %w", err)
		}
		if !session.ExpiresAt.After(a.Now()) {
			return errSignedOut
		}
		infoOf(c.Request.Context()).user = string(session.User)
		return next(c, session)
	}
}

// staffOnly calls next only for requests with the staff token.
func (a *api) staffOnly(next handler) handler {
	return func(c *gin.Context) error {
		scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
		hash := sha256.Sum256([]byte(token)) // equal lengths, so that the duration of the comparison reveals nothing
		if subtle.ConstantTimeCompare(hash[:], a.staffHash[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			return &requestError{kind: kindUnauthorized, detail: "Only staff may do this.",
				header: map[string]string{"WWW-Authenticate": `Bearer realm="staff"`}}
		}
		return next(c)
	}
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type sessionBody struct {
	User      string    `json:"user_id"`
	Email     string    `json:"email"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a *api) signIn(c *gin.Context) error {
	var body credentials
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.text("email", body.Email, 3, 254)
	v.password("password", body.Password, 1)
	if err := v.err(); err != nil {
		return err
	}
	ctx := c.Request.Context()
	account, err := a.authenticate(ctx, body)
	if err != nil {
		if errors.Is(err, bytebites.ErrUnauthorized) {
			a.metrics.signIns.WithLabelValues("refused").Inc()
			// The client's address identifies an attacker who guesses passwords.
			a.Logger.InfoContext(ctx, "sign-in refused",
				"request_id", infoOf(ctx).id, "client", a.clientAddress(c.Request))
		}
		return err
	}
	token := newToken()
	session := bytebites.Session{
		TokenHash: sha256.Sum256([]byte(token)),
		User:      account.User,
		Email:     account.Email,
		ExpiresAt: a.Now().Add(a.SessionTTL).UTC().Truncate(time.Second),
	}
	if err := a.Sessions.Create(ctx, session); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	a.metrics.signIns.WithLabelValues("accepted").Inc()
	infoOf(ctx).user = string(account.User)
	http.SetCookie(c.Writer, a.cookie(token, int(a.SessionTTL/time.Second)))
	writeJSON(c, http.StatusCreated, jsonContentType, sessionBody{
		User: string(session.User), Email: session.Email, ExpiresAt: session.ExpiresAt})
	return nil
}

// authenticate returns the account for the credentials, or ErrUnauthorized. An unknown email costs
// the same comparison as a known one.
func (a *api) authenticate(ctx context.Context, given credentials) (bytebites.Account, error) {
	account, err := a.Directory.Account(ctx, given.Email)
	unknown := errors.Is(err, bytebites.ErrNotFound)
	if err != nil && !unknown {
		return bytebites.Account{}, fmt.Errorf("find account: %w", err)
	}
	hash := account.PasswordHash
	if unknown {
		hash = a.decoyHash
	}
	leave, err := a.awaitPasswordTurn(ctx)
	if err != nil {
		return bytebites.Account{}, err
	}
	defer leave()
	err = bcrypt.CompareHashAndPassword(hash, []byte(given.Password))
	switch {
	case unknown || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return bytebites.Account{}, fmt.Errorf("wrong credentials: %w", bytebites.ErrUnauthorized)
	case err != nil:
		return bytebites.Account{}, fmt.Errorf("compare password: %w", err)
	}
	return account, nil
}

// awaitPasswordTurn waits until fewer than MaxSignIns passwords are being compared or hashed. The
// caller must call leave. It returns ErrBusy if ctx ends first.
func (a *api) awaitPasswordTurn(ctx context.Context) (leave func(), err error) {
	select {
	case a.passwordTurns <- struct{}{}:
		return func() { <-a.passwordTurns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for password slot: %w", bytebites.ErrBusy)
	}
}

// signOut gives the same answer with and without a session.
func (a *api) signOut(c *gin.Context) error {
	if hash, found := tokenHash(c.Request); found {
		if err := a.Sessions.Delete(c.Request.Context(), hash); err != nil {
			return fmt.Errorf("delete session: %w", err)
		}
	}
	http.SetCookie(c.Writer, a.cookie("", -1))
	return noContent(c)
}

func (a *api) cookie(value string, maxAgeSeconds int) *http.Cookie {
	return &http.Cookie{
		Name: SessionCookie, Value: value, Path: "/", MaxAge: maxAgeSeconds,
		HttpOnly: true, Secure: a.SecureCookies, SameSite: http.SameSiteStrictMode,
	}
}
