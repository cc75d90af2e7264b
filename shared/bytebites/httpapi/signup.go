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
	// minPasswordBytes is the minimum length of a new password. Old passwords are not checked.
	minPasswordBytes = 12
	// defaultPortions is the portion count of a new subscriber.
	defaultPortions = 2
)

type signUpBody struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

type accountBody struct {
	User string `json:"user_id"`
}

// signUp adds a subscriber, but does not sign in.
//
// Its answer reveals whether an address has an account. To hide that, the API would have to send
// the answer by mail, but it sends no mail.
func (a *api) signUp(c *gin.Context) error {
	var body signUpBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.email("email", body.Email)
	v.text("name", body.Name, 1, 80)
	v.password("password", body.Password, minPasswordBytes)
	if err := v.err(); err != nil {
		return err
	}
	user, err := a.register(c.Request.Context(), body)
	if errors.Is(err, bytebites.ErrDuplicate) {
		return &requestError{kind: kindEmailTaken, detail: "This address has an account. Sign in, or use another address."}
	}
	if err != nil {
		return err
	}
	infoOf(c.Request.Context()).user = string(user)
	writeJSON(c, http.StatusCreated, jsonContentType, accountBody{User: string(user)})
	return nil
}

// register creates a profile and then the account that refers to it. It returns ErrDuplicate if the
// address has an account. If two clients register one address at the same time, the second leaves a
// profile behind without an account.
func (a *api) register(ctx context.Context, body signUpBody) (bytebites.UserID, error) {
	// An existing account costs neither a hash nor a profile.
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
		Preferences: bytebites.Preferences{PortionCount: defaultPortions},
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

// hashPassword takes as long as a comparison, and shares the bound of MaxSignIns.
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

// email requires an address to which mail can be sent unchanged. It must be ASCII: the directory
// ignores case, and systems differ in the case rules beyond ASCII.
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
