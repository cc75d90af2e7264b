package httpapi

import (
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

// The types of payment events.
const (
	paymentSucceeded = "payment.succeeded"
	paymentFailed    = "payment.failed"
)

type paymentBody struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	User   string `json:"user_id"`
	Order  string `json:"order_id"`
	Amount int64  `json:"amount_cents"`
}

type appliedBody struct {
	Applied bool `json:"applied"` // false if the event was received before
}

// paymentWebhook receives an event of the payment provider. It verifies the signature over the
// exact bytes of the body before it reads them.
func (a *api) paymentWebhook(c *gin.Context) error {
	raw, err := a.readBody(c)
	if err != nil {
		return err
	}
	if err := verifySignature(a.PaymentSecret, c.GetHeader(SignatureHeader), raw, a.Now()); err != nil {
		return &requestError{kind: kindUnauthorized, detail: "The signature is not valid: " + err.Error() + ".",
			header: map[string]string{"WWW-Authenticate": `Signature realm="payments"`}}
	}
	var body paymentBody
	if err := decodeJSON(raw, &body); err != nil {
		return err
	}
	var v validator
	v.id("id", body.ID)
	v.id("user_id", body.User)
	v.id("order_id", body.Order)
	v.number("amount_cents", body.Amount, 1, 1<<40)
	if body.Type != paymentSucceeded && body.Type != paymentFailed {
		v.fail("type", "must be %s or %s", paymentSucceeded, paymentFailed)
	}
	if err := v.err(); err != nil {
		return err
	}
	applied, err := a.Payments.Receive(c.Request.Context(), bytebites.PaymentEvent{
		ID: body.ID, User: bytebites.UserID(body.User), Order: bytebites.OrderID(body.Order),
		Amount: bytebites.Cents(body.Amount), Succeeded: body.Type == paymentSucceeded})
	if err != nil {
		return fmt.Errorf("receive payment: %w", err)
	}
	return ok(c, appliedBody{Applied: applied})
}
