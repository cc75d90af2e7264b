package testbed_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"bytebites.example/workshop/shared/testbed"
)

// probePackage is the small service in testdata/probe.
const probePackage = "./shared/testbed/testdata/probe"

// envChild makes the test binary run one bed and no tests. It serves the tests in which the
// owner of a bed dies.
const envChild = "TESTBED_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child starts a bed with a service, prints the bed's id and the service's URL, and
// waits for an interrupt, which closes the bed.
func child() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bed, err := testbed.Start(ctx, testbed.Options{})
	if err != nil {
		return err
	}
	s, err := bed.Service(ctx, testbed.ServiceOptions{Package: probePackage})
	if err != nil {
		return err
	}
	fmt.Println(bed.ID(), s.URL())
	<-ctx.Done()
	return bed.Close()
}
