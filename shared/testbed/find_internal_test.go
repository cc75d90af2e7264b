package testbed

import (
	"encoding/json"
	"testing"

	"github.com/moby/moby/api/types/container"
)

func TestServiceOfAnUnknownContainer(t *testing.T) {
	b := &Bed{id: "ab12", network: "bytebites-ab12"}
	decode := func(text string) container.Summary {
		t.Helper()
		var c container.Summary
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	runs := decode(`{"Id": "f00d", "Names": ["/bytebites-ab12-replica-3"], "State": "running",
		"Ports": [{"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 12345, "Type": "tcp"}, {"PrivatePort": 6060, "Type": "tcp"}],
		"NetworkSettings": {"Networks": {"bytebites-ab12": {"IPAddress": "172.20.0.19"}}}}`)
	server := b.serviceOf(runs, ServiceOptions{})
	if server == nil {
		t.Fatal("no handle of a running service")
	}
	s := Service{Server: server}
	if s.Name() != "replica-3" || s.ContainerID() != "f00d" || s.Kind() != "service" ||
		s.URL() != "http://127.0.0.1:12345" || s.Upstream() != "172.20.0.19:8080" {
		t.Errorf("handle %s %s %s, URL %s, upstream %s", s.Name(), s.ContainerID(), s.Kind(), s.URL(), s.Upstream())
	}
	created := decode(`{"Id": "beef", "Names": ["/bytebites-ab12-replica-4"], "State": "created"}`)
	if half := b.serviceOf(created, ServiceOptions{}); half == nil || half.Name() != "replica-4" {
		t.Errorf("handle of a container that was only created: %+v", half)
	}
	for _, name := range []string{"/bytebites-ab1-replica-3", "/bytebites-ab12", "/other"} {
		other := decode(`{"Id": "f00d", "Names": ["` + name + `"], "State": "running"}`)
		if s := b.serviceOf(other, ServiceOptions{}); s != nil {
			t.Errorf("a handle %s of the container %s", s.Name(), name)
		}
	}
}

func TestFindServicesNeedsALabel(t *testing.T) {
	if found, err := (&Bed{}).FindServices(t.Context(), ServiceOptions{}); err == nil {
		t.Errorf("found %v without a label", found)
	}
}
