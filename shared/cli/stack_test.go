package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// client asks the stack that a script has started.
func client() *http.Client { return &http.Client{Timeout: 5 * time.Second} }

// get asks for a URL, which must answer with the status named.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get URL STATUS")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	last := ""
	eventually(ts, fmt.Sprintf("%s does not answer %d", args[0], want), func() bool {
		response, err := client().Get(args[0])
		if err != nil {
			last = err.Error()
			return false
		}
		defer func() { _ = response.Body.Close() }()
		last = response.Status
		return response.StatusCode == want
	}, &last)
}

// monitored waits until a Prometheus has scraped the service.
func monitored(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: monitored URL")
	}
	last := ""
	eventually(ts, "the service is not scraped", func() bool {
		response, err := client().Get(args[0] + "/api/v1/query?query=" + url.QueryEscape(`up{job="service"} == 1`))
		if err != nil {
			last = err.Error()
			return false
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		ts.Check(err)
		last = string(text)
		var answer struct{ Data struct{ Result []any } }
		return json.Unmarshal(text, &answer) == nil && len(answer.Data.Result) == 1
	}, &last)
}

// refused demands that nothing listens at an address.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: refused ADDRESS")
	}
	connection, err := net.DialTimeout("tcp", args[0], time.Second)
	if err == nil {
		_ = connection.Close()
		ts.Fatalf("something listens at %s", args[0])
	}
}

// freePorts sets each of the variables named to a port that nothing listens at.
func freePorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeports VARIABLE...")
	}
	for _, variable := range args {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		// Closed only after all are chosen, so that no port is chosen twice.
		defer func() { _ = listener.Close() }()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		ts.Check(err)
		ts.Setenv(variable, port)
	}
}

// hold listens at the port that a variable names until the script ends.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold VARIABLE")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+ts.Getenv(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
}
