package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout is how long a readiness check may take: a balancer that polls every
// second must have its answer by then.
const readyTimeout = 900 * time.Millisecond

type statusBody struct {
	Status string `json:"status"`
}

// healthz says that the process lives. It asks nothing of other servers: restarting
// this process does not mend them.
func healthz(c *gin.Context) error { return ok(c, statusBody{Status: "ok"}) }

// readyz says whether this replica should be sent requests.
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
		DisableCompression: true, // scrapes are local; CPU is what the labs are short of
	}))
}

func openAPI(c *gin.Context) error {
	writeBytes(c, http.StatusOK, "application/yaml", openAPIDocument)
	return nil
}
