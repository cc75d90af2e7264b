package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"
)

// Config holds the dependencies and settings of the API. The interfaces and both secrets are
// required; the other fields have defaults.
type Config struct {
	Catalogue   bytebites.Catalogue
	Stock       bytebites.Stock
	Directory   bytebites.Directory
	Sessions    bytebites.Sessions
	Profiles    bytebites.Profiles
	Carts       bytebites.Carts
	Ratings     bytebites.Ratings
	Orders      bytebites.Orders
	Weeks       bytebites.Weeks
	Recommender bytebites.Recommender
	Checkout    bytebites.Checkout
	Payments    bytebites.Payments

	// Instance names the replica. Every response carries it as X-Instance. Characters that are not
	// allowed in a header are dropped.
	Instance string
	// StaffToken is the bearer token of PUT /meals/:id.
	StaffToken string
	// PaymentSecret is the HMAC key with which the payment provider signs webhooks.
	PaymentSecret []byte

	// DemoEmail and DemoPassword fill in the storefront's sign-in form if they are set. They are
	// for stacks with invented data.
	DemoEmail, DemoPassword string

	// TrustedProxies are the addresses of load balancers whose X-Forwarded-For is believed.
	// Default: none.
	TrustedProxies []netip.Prefix

	// SessionTTL is how long a sign-in lasts. Default 12 h.
	SessionTTL time.Duration
	// SecureCookies marks the session cookie Secure, for https origins.
	SecureCookies bool
	// RequestTimeout bounds the work of one request. Default 10 s.
	RequestTimeout time.Duration
	// BodyTimeout bounds how long a request's body may take to arrive. Default 5 s.
	BodyTimeout time.Duration
	// SlowRequest is the duration from which a request is logged at level Info. Default 1 s.
	SlowRequest time.Duration
	// MaxBodyBytes bounds a request's body. Default 64 KiB.
	MaxBodyBytes int64
	// MaxSignIns bounds how many passwords are compared or hashed at a time. Each takes a core for
	// tens of milliseconds. Default: the number of usable cores.
	MaxSignIns int
	// PasswordCost is the bcrypt cost of stored and new hashes. A sign-in with an unknown email does
	// the same work, so that its duration does not reveal subscribers. Default 10.
	PasswordCost int

	// Now is the clock of sessions and webhooks. Default time.Now.
	Now func() time.Time
	// Logger gets the access log and the errors that are hidden from clients. Default slog.Default.
	Logger *slog.Logger
	// Registry is served at /metrics. Default: a new one.
	Registry *prometheus.Registry
	// Ready returns nil if this replica should get requests. Default: always nil.
	Ready func(ctx context.Context) error
}

func (c Config) withDefaults() (Config, error) {
	var missing []string
	for name, absent := range map[string]bool{
		"Catalogue": c.Catalogue == nil, "Stock": c.Stock == nil, "Directory": c.Directory == nil,
		"Sessions": c.Sessions == nil, "Profiles": c.Profiles == nil, "Carts": c.Carts == nil,
		"Ratings": c.Ratings == nil, "Orders": c.Orders == nil, "Weeks": c.Weeks == nil,
		"Recommender": c.Recommender == nil, "Checkout": c.Checkout == nil, "Payments": c.Payments == nil,
		"StaffToken": c.StaffToken == "", "PaymentSecret": len(c.PaymentSecret) == 0,
	} {
		if absent {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return c, fmt.Errorf("httpapi config: missing %s", joinSorted(missing))
	}
	if c.RequestTimeout < 0 || c.BodyTimeout < 0 || c.SessionTTL < 0 || c.MaxBodyBytes < 0 || c.MaxSignIns < 0 {
		return c, errors.New("httpapi config: negative limit")
	}
	c.Instance = headerToken(c.Instance)
	setDefault(&c.Instance, "local")
	setDefault(&c.SessionTTL, 12*time.Hour)
	setDefault(&c.RequestTimeout, 10*time.Second)
	setDefault(&c.BodyTimeout, 5*time.Second)
	setDefault(&c.SlowRequest, time.Second)
	setDefault(&c.MaxBodyBytes, 64<<10)
	setDefault(&c.MaxSignIns, runtime.GOMAXPROCS(0))
	setDefault(&c.PasswordCost, bcrypt.DefaultCost)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// headerToken keeps only characters that are allowed in a header. So a malicious host name cannot
// add header lines.
func headerToken(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return -1
	}, s)
}
