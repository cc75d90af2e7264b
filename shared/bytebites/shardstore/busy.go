package shardstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"bytebites.example/workshop/shared/bytebites"
)

// Busy returns an error that matches bytebites.ErrBusy if err means that a server gave no answer: a
// timeout, no connection, or a server that starts or stops. It returns every other error unchanged.
// Without an answer the data may still exist, so such an error never matches ErrNotFound.
func Busy(err error) error {
	if err == nil || errors.Is(err, bytebites.ErrBusy) || !unanswered(err) {
		return err
	}
	return fmt.Errorf("no answer: %w: %w", bytebites.ErrBusy, err)
}

func unanswered(err error) bool {
	for _, lost := range []error{context.DeadlineExceeded, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network net.Error
	if errors.As(err, &network) {
		return true
	}
	if pq.As(err, pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.CannotConnectNow, pqerror.TooManyConnections) != nil {
		return true
	}
	var server *pq.Error
	return errors.As(err, &server) && server.Code.Class() == pqerror.ClassConnectionException
}
