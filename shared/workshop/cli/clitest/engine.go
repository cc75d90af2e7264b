package clitest

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/testbed/engine"
)

// engines has the commands about the Docker engine.
type engines struct{ ctx context.Context }

// fake starts an engine that answers pings and lists the containers of a JSON file. It sets
// DOCKER_HOST. The engine has no other function.
func (e engines) fake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: engine FILE")
	}
	list := ts.ReadFile(args[0])
	// The path of a socket has a limit of about 100 bytes, so it is not in the script's folder.
	dir, err := os.MkdirTemp("", "engine")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "docker.sock")
	listener, err := (&net.ListenConfig{}).Listen(e.ctx, "unix", socket)
	ts.Check(err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/_ping":
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_, _ = w.Write([]byte(list)) // the client reports what is missing
		default:
			http.Error(w, `{"message": "not a function of this engine"}`, http.StatusNotFound)
		}
	})}
	go func() { _ = server.Serve(listener) }() // ends with Close
	ts.Defer(func() { _ = server.Close() })
	ts.Setenv("DOCKER_HOST", "unix://"+socket)
}

// theirs makes a container of another stack in a compose project, until the script ends, and
// demands that it is there. It is not started. Its image is the one of PostgreSQL.
func (e engines) theirs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: theirs (made|there) PROJECT")
	}
	docker, err := engine.Connect(e.ctx)
	ts.Check(err)
	defer func() { _ = docker.Close() }()
	name := args[1] + "-theirs"
	if args[0] == "there" {
		_, err := docker.ContainerInspect(e.ctx, name, client.ContainerInspectOptions{})
		ts.Check(err)
		return
	}
	remove := func() {
		_, _ = docker.ContainerRemove(context.WithoutCancel(e.ctx), name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}) // or there is none
	}
	remove() // that of a killed run
	_, err = docker.ContainerCreate(e.ctx, client.ContainerCreateOptions{Name: name, Config: &container.Config{
		Image: value(ts.ReadFile(".env"), "POSTGRES_IMAGE"),
		Labels: map[string]string{
			"com.docker.compose.project": args[1], "com.docker.compose.service": "postgres", "com.docker.compose.container-number": "1",
			"com.docker.compose.oneoff": "False", "com.docker.compose.project.working_dir": "/srv/theirs",
		},
	}})
	ts.Check(err)
	ts.Defer(func() {
		again, err := engine.Connect(context.WithoutCancel(e.ctx))
		if err != nil {
			return // the next run removes it
		}
		docker = again
		remove()
		_ = docker.Close()
	})
}

// dotenv sets variables in .env. It is there that `up` looks for them.
func dotenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: dotenv NAME=VALUE...")
	}
	ts.Check(setDotenv(ts.MkAbs(".env"), args...))
}

// setDotenv sets variables of a file, which need not exist.
func setDotenv(path string, pairs ...string) error {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "=")
		kept := true
		for _, pair := range pairs {
			kept = kept && !strings.HasPrefix(pair, name+"=")
		}
		if kept {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return os.WriteFile(path, []byte(strings.Join(append(lines, pairs...), "\n")+"\n"), 0o600)
}

// value returns the value of a variable in the text of .env.
func value(text, name string) string {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+"="); found {
			return value
		}
	}
	return ""
}
