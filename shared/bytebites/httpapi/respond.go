package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
)

const jsonContentType = "application/json"

// writeJSON writes a body of one of this package's types. They can always be encoded.
func writeJSON(c *gin.Context, status int, contentType string, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	writeBytes(c, status, contentType, data)
}

func writeBytes(c *gin.Context, status int, contentType string, data []byte) {
	c.Header("Content-Type", contentType)
	c.Header("Content-Length", strconv.Itoa(len(data)))
	c.Status(status)
	_, _ = c.Writer.Write(data) // a client that hung up is not an error of the service
}

func ok(c *gin.Context, body any) error {
	writeJSON(c, http.StatusOK, jsonContentType, body)
	return nil
}

func noContent(c *gin.Context) error {
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}
