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

// Busy returns the error of a server that gave no answer (none in time, no connection, going
// down or coming up) as one that matches bytebites.ErrBusy, and every other as it is. What a
// server does not say may still be there: no such error matches ErrNotFound.
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
