// Command probe is a service for the tests of the test bed and the balancer. It answers with
// its name, can be made not ready, and uses processor time on request.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("PROBE_FAIL") != "" {
		log.Fatal("told to fail at the start")
	}
	if i := slices.Index(os.Args, "--role"); i > 0 {
		play(os.Args[i+1:])
	}
	var notReady atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if notReady.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("PUT /ready", func(_ http.ResponseWriter, r *http.Request) {
		notReady.Store(r.URL.Query().Get("value") == "false")
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"instance": os.Getenv("BYTEBITES_INSTANCE"),
			"uid":      os.Getuid(),
			"procs":    runtime.GOMAXPROCS(0),
			"memory":   os.Getenv("GOMEMLIMIT"),
			"database": os.Getenv("BYTEBITES_CATALOGUE_DB"),
			"broker":   os.Getenv("BYTEBITES_AMQP"),
			"args":     os.Args[1:],
		})
	})
	mux.HandleFunc("GET /burn", func(http.ResponseWriter, *http.Request) {
		const burn = 500 * time.Millisecond
		for start := time.Now(); time.Since(start) < burn; {
		}
	})
	go func() { log.Print(http.ListenAndServe(os.Getenv("BYTEBITES_PPROF_ADDR"), http.NotFoundHandler())) }()
	log.Fatal(http.ListenAndServe(os.Getenv("BYTEBITES_ADDR"), mux))
}

// play is a role. It prints its arguments and ends with exit code 3, at once or, when asked
// to wait, after a stop signal.
func play(args []string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", os.Getenv("BYTEBITES_METRICS_ADDR"))
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		log.Print(http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}()
	log.Printf("role %q, shards %s, broker %s", args, os.Getenv("BYTEBITES_SHARD_DBS"), os.Getenv("BYTEBITES_AMQP"))
	if slices.Contains(args, "wait") {
		<-stop
		log.Print("told to stop")
	}
	os.Exit(3)
}
