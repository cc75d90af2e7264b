package httpapi

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/bcrypt"
)

type api struct {
	Config
	metrics     *metrics
	crossOrigin *http.CrossOriginProtection
	staffHash   [sha256.Size]byte
	// passwordTurns holds a token for each password that is being compared or hashed.
	passwordTurns chan struct{}
	decoyHash     []byte // compared if the email has no account
	facets        facets
	storefront    *storefront
}

// New returns the API's handler. It registers its metrics in the config's registry, so a registry
// serves one handler only.
func New(config Config) (http.Handler, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &api{
		Config:        config,
		crossOrigin:   http.NewCrossOriginProtection(),
		staffHash:     sha256.Sum256([]byte(config.StaffToken)),
		passwordTurns: make(chan struct{}, config.MaxSignIns),
	}
	if a.metrics, err = newMetrics(config.Registry); err != nil {
		return nil, err
	}
	if a.decoyHash, err = bcrypt.GenerateFromPassword([]byte("nobody has this password"), config.PasswordCost); err != nil {
		return nil, fmt.Errorf("hash decoy password: %w", err)
	}
	if a.storefront, err = newStorefront(); err != nil {
		return nil, fmt.Errorf("load storefront: %w", err)
	}
	return a.frame(a.routes()), nil
}

func (a *api) routes() *gin.Engine {
	// The mode is gin's only global, and debug mode writes every route to stdout.
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.ForwardedByClientIP = false
	e.Use(a.observe, a.recoverPanics, a.checkID)
	e.NoRoute(a.handle(func(*gin.Context) error { return &requestError{kind: kindNotFound} }))
	e.NoMethod(a.handle(methodNotAllowed))

	// Routes for staff and webhooks are outside the cross-origin check: their clients have no
	// cookie.
	e.PUT("/meals/:id", a.handle(a.staffOnly(a.updateMeal)))
	e.POST("/webhooks/payments", a.handle(a.paymentWebhook))
	e.GET("/healthz", a.handle(healthz))
	e.GET("/readyz", a.handle(a.readyz))
	e.GET("/metrics", a.metricsHandler())

	e.GET("/", a.handle(a.page))
	e.GET("/static/:name", a.handle(a.static))
	e.GET("/openapi.yaml", a.handle(openAPI))

	e.GET("/meals", a.handle(a.meals))
	e.GET("/meals/popular", a.handle(a.popularMeals))
	e.GET("/meals/:id", a.handle(a.meal))
	e.PUT("/meals/popular", a.handle(methodNotAllowed)) // no meal can have that id

	b := e.Group("/", a.refuseCrossOrigin)
	b.POST("/accounts", a.handle(a.signUp))
	b.POST("/sessions", a.handle(a.signIn))
	b.DELETE("/sessions", a.handle(a.signOut))
	b.GET("/me", a.handle(a.signedIn(a.me)))
	b.PUT("/me/preferences", a.handle(a.signedIn(a.setPreferences)))
	b.GET("/me/addresses", a.handle(a.signedIn(a.addresses)))
	b.PUT("/me/addresses", a.handle(a.signedIn(a.setAddresses)))
	b.POST("/meals/:id/ratings", a.handle(a.signedIn(a.rate)))
	b.GET("/cart", a.handle(a.signedIn(a.cart)))
	b.PUT("/cart", a.handle(a.signedIn(a.setCart)))
	b.POST("/orders", a.handle(a.signedIn(a.placeOrder)))
	b.GET("/orders", a.handle(a.signedIn(a.orders)))
	b.GET("/orders/:id", a.handle(a.signedIn(a.order)))
	b.GET("/recommendations", a.handle(a.signedIn(a.recommendations)))
	return e
}

// checkID answers 404 for a malformed id before any store is asked for it.
func (a *api) checkID(c *gin.Context) {
	if id, named := c.Params.Get("id"); named && c.FullPath() != "" && !idPattern.MatchString(id) {
		a.fail(c, &requestError{kind: kindNotFound})
	}
}

func methodNotAllowed(c *gin.Context) error {
	allow := strings.Split(c.Writer.Header().Get("Allow"), ", ")
	if c.Request.URL.Path == "/meals/popular" {
		allow = []string{http.MethodGet} // the router would add the methods of /meals/:id
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	slices.Sort(allow)
	return &requestError{kind: kindMethod, header: map[string]string{"Allow": strings.Join(allow, ", ")}}
}

func joinSorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
