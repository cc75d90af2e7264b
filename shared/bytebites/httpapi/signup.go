package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/bcrypt"
)

const (
	// minPasswordBytes is what a new password has at least; those of old are not judged.
	minPasswordBytes = 12
	// firstPortions is how many eat along until the subscriber says otherwise.
	firstPortions = 2
)

type signUpBody struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

type accountBody struct {
	User string `json:"user_id"`
}

// signUp adds a subscriber, whom it does not sign in.
//
// Whoever asks learns whether an address subscribes. That cannot be helped here: to hide
// it, the answer would have to go to the address by mail, and mail is not this API's.
func (a *api) signUp(c *gin.Context) error {
	var body signUpBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.email("email", body.Email)
	v.text("name", body.Name, 1, 80)
	if n := len(body.Password); n < minPasswordBytes || n > maxPasswordBytes {
		v.fail("password", "must have from %d to %d bytes", minPasswordBytes, maxPasswordBytes)
	}
	if err := v.err(); err != nil {
		return err
	}
	user, err := a.register(c.Request.Context(), body)
	if errors.Is(err, bytebites.ErrDuplicate) {
		return &requestError{kind: kindEmailTaken, detail: "Somebody has signed up with this address. Sign in, or use another."}
	}
	if err != nil {
		return err
	}
	infoOf(c.Request.Context()).user = string(user)
	writeJSON(c, http.StatusCreated, jsonContentType, accountBody{User: string(user)})
	return nil
}

// register adds a profile and then the account that leads to it. ErrDuplicate when the
// address has an account; of two that sign up with it at the same time, one leaves a
// profile behind that nobody can sign in to.
func (a *api) register(ctx context.Context, body signUpBody) (bytebites.UserID, error) {
	// Who is there already costs neither a hash nor a profile.
	switch _, err := a.Directory.Account(ctx, body.Email); {
	case err == nil:
		return "", bytebites.ErrDuplicate
	case !errors.Is(err, bytebites.ErrNotFound):
		return "", fmt.Errorf("find account: %w", err)
	}
	hash, err := a.hashPassword(ctx, body.Password)
	if err != nil {
		return "", err
	}
	user := bytebites.NewUserID(a.Now())
	err = a.Profiles.Create(ctx, bytebites.Profile{
		User: user, Name: body.Name, Email: body.Email,
		Preferences: bytebites.Preferences{PortionCount: firstPortions},
	})
	if err != nil {
		return "", fmt.Errorf("create profile: %w", err)
	}
	err = a.Directory.Register(ctx, bytebites.Account{User: user, Email: body.Email, PasswordHash: hash})
	if err != nil {
		return "", fmt.Errorf("register account: %w", err)
	}
	return user, nil
}

// hashPassword takes as long as comparing one, and is bounded together with it.
func (a *api) hashPassword(ctx context.Context, password string) ([]byte, error) {
	leave, err := a.awaitPasswordTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), a.PasswordCost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// email wants an address that mail can be sent to as it stands. It is ASCII: the directory
// ignores case, and what that means beyond ASCII differs from one system to the next.
func (v *validator) email(pointer, s string) {
	before := len(v.fields)
	v.text(pointer, s, 3, 254)
	if len(v.fields) > before {
		return
	}
	foreign := strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if address, err := mail.ParseAddress(s); foreign || err != nil || address.Address != s {
		v.fail(pointer, "must be an email address such as ada@example.com, in ASCII")
	}
}
