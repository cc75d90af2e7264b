// Package tcsetup configures testcontainers-go for this process. That library reads environment
// variables and the file ~/.testcontainers.properties, once in a process. Both are the user's, for
// other projects. They may name another engine, or put a registry before the name of every image.
//
// The package works when it is imported, because only then no other goroutine of the process runs
// yet. It also removes the other variables that userenv ignores.
package tcsetup

import (
	"fmt"
	"os"
	"strings"

	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"bytebites.example/workshop/shared/userenv"
)

// Host is the address of published ports. testcontainers guesses another one if the file
// /.dockerenv exists.
const Host = "127.0.0.1"

func init() {
	if err := configure(); err != nil {
		panic(fmt.Sprintf("configure testcontainers: %v", err)) // a name that the system does not accept
	}
}

func configure() error {
	if err := userenv.Forget(); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"TESTCONTAINERS_HOST_OVERRIDE": Host,
		// Ryuk, the library's reaper, publishes a port on every interface, mounts the engine's
		// socket, and needs an image from a registry. The test bed's sweep does the same work.
		"TESTCONTAINERS_RYUK_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	// The log would print every step of every container into the workshop's output.
	tclog.SetDefault(tclog.NewNoopLogger())
	return withoutHome(func() { testcontainers.ReadConfig() })
}

// withoutHome calls f while this process has no home folder.
func withoutHome(f func()) error {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		home, set := os.LookupEnv(name)
		if !set {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
		defer func() { _ = os.Setenv(name, home) }() // it was set before
	}
	f()
	return nil
}

// Use points the library at the engine with that address, in the form of DOCKER_HOST.
func Use(engine string) error {
	if err := os.Setenv("DOCKER_HOST", engine); err != nil {
		return fmt.Errorf("configure testcontainers: %w", err)
	}
	if strings.HasPrefix(engine, "tcp://") {
		return nil
	}
	// A socket has no certificates.
	for _, name := range []string{"DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} {
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("configure testcontainers: %w", err)
		}
	}
	return nil
}
