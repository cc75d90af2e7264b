package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// endpoint is an address where an engine may answer.
type endpoint struct {
	host          string
	ca, cert, key string // files; empty without TLS
	fromEnv       bool   // DOCKER_HOST and the TLS variables that go with it
}

// finder looks for engines. A test replaces its fields.
type finder struct {
	goos         string
	home         string
	getenv       func(string) string
	root, debian bool
}

// endpoints returns the addresses to try. When the user has chosen one, by DOCKER_HOST or a
// docker context, it is the only one: a fallback to another engine would surprise them.
func (f finder) endpoints() ([]endpoint, error) {
	if host := f.getenv("DOCKER_HOST"); host != "" {
		return []endpoint{{host: host, fromEnv: true}}, nil
	}
	chosen, err := f.currentContext()
	if err != nil {
		return nil, err
	}
	if chosen != nil {
		return []endpoint{*chosen}, nil
	}
	if f.goos == "windows" {
		return []endpoint{{host: "npipe:////./pipe/docker_engine"}}, nil
	}
	sockets := []string{"/var/run/docker.sock"}
	if dir := f.getenv("XDG_RUNTIME_DIR"); dir != "" {
		sockets = append(sockets, filepath.Join(dir, "docker.sock")) // rootless
	}
	if f.home != "" {
		for _, part := range []string{".docker/run", ".docker/desktop", ".colima/default"} {
			sockets = append(sockets, filepath.Join(f.home, part, "docker.sock"))
		}
	}
	endpoints := make([]endpoint, 0, len(sockets))
	for i, socket := range sockets {
		// The first is tried even when missing, so that the error names a socket.
		if _, err := os.Stat(socket); err == nil || i == 0 {
			endpoints = append(endpoints, endpoint{host: "unix://" + socket})
		}
	}
	return endpoints, nil
}

// currentContext returns the endpoint of the docker command's context, or nil for the
// default context.
func (f finder) currentContext() (*endpoint, error) {
	dir := f.configDir()
	name := f.getenv("DOCKER_CONTEXT")
	if name == "" {
		// The docker command goes on without a configuration that it cannot read.
		name, _ = f.configuredContext()
	}
	if name == "" || name == "default" {
		return nil, nil
	}
	// The docker command names a context's folder by the hash of the context's name.
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host string `json:"Host"`
		} `json:"Endpoints"`
	}
	found, err := readJSON(filepath.Join(dir, "contexts", "meta", id, "meta.json"), &meta)
	if err != nil {
		return nil, err
	}
	host := meta.Endpoints["docker"].Host
	if !found || host == "" {
		return nil, &Unavailable{
			Problem: fmt.Sprintf("docker context %q has no engine", name),
			Remedy:  "choose another: docker context use default",
		}
	}
	chosen := &endpoint{host: host}
	for file, path := range map[string]*string{"ca.pem": &chosen.ca, "cert.pem": &chosen.cert, "key.pem": &chosen.key} {
		candidate := filepath.Join(dir, "contexts", "tls", id, "docker", file)
		if _, err := os.Stat(candidate); err == nil {
			*path = candidate
		}
	}
	return chosen, nil
}

// configDir is the folder of the docker command's configuration, or "" without a home.
func (f finder) configDir() string {
	if dir := f.getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	if f.home == "" {
		return ""
	}
	return filepath.Join(f.home, ".docker")
}

// configuredContext returns the context that the docker command's configuration names, or "". An
// error says that the configuration cannot be read.
func (f finder) configuredContext() (string, error) {
	dir := f.configDir()
	if dir == "" {
		return "", nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	_, err := readJSON(filepath.Join(dir, "config.json"), &config)
	return config.CurrentContext, err
}

// readJSON reads a file of the docker command. An empty file is one without settings.
func readJSON(path string, into any) (found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &Unavailable{Problem: "docker's configuration " + path + " cannot be read", Remedy: "correct its owner and mode", Err: err}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return true, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, &Unavailable{Problem: "docker's configuration " + path + " is not JSON", Remedy: "correct or remove that file", Err: err}
	}
	return true, nil
}
