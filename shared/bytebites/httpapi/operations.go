package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds a readiness check. It is below one second because a balancer may poll every
// second.
const readyTimeout = 900 * time.Millisecond

type statusBody struct {
	Status string `json:"status"`
}

// healthz reports that the process lives. It queries no other server, because restarting this
// process would not repair that server.
func healthz(c *gin.Context) error { return ok(c, statusBody{Status: "ok"}) }

// readyz reports whether this replica should get requests.
func (a *api) readyz(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	if err := a.Ready(ctx); err != nil {
		a.Logger.WarnContext(ctx, "not ready", "error", err)
		return &requestError{kind: kindNotReady, detail: "See the log of this replica."}
	}
	return ok(c, statusBody{Status: "ready"})
}

func (a *api) metricsHandler() gin.HandlerFunc {
	return gin.WrapH(promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{
		DisableCompression: true, // scrapes are local, and CPU is scarce in the labs
	}))
}

func openAPI(c *gin.Context) error {
	writeBytes(c, http.StatusOK, "application/yaml", openAPIDocument)
	return nil
}
