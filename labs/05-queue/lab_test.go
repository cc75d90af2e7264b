package queue_test

import (
	"testing"

	"bytebites.example/workshop/labs/05-queue"
	"bytebites.example/workshop/labs/05-queue/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{Files: queue.Files(), Package: "./labs/05-queue/service", Apply: queue.Apply}))
}
