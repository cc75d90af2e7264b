package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	managementPort      = 15672
	rabbitMetricsPort   = 15692
	rabbitUser          = "bytebites"
	rabbitReady         = 90 * time.Second
	rabbitLeastCPU      = 0.5
	managementTimeout   = 10 * time.Second
	rabbitReadyLogEntry = "Server startup complete"
)

// RabbitMQOptions describe a RabbitMQ server.
type RabbitMQOptions struct {
	Name string        // "rabbitmq" when empty
	Type instance.Type // at least 0.5 CPU; the zero Type has no CPU quota and 2 GiB
	Conf string        // added to the image's rabbitmq.conf
}

// RabbitMQ is a RabbitMQ server with the management and Prometheus plugins.
type RabbitMQ struct {
	*Server
	password string
}

// RabbitMQ starts a RabbitMQ server, and sets the CPU quota of its type when it is ready.
func (b *Bed) RabbitMQ(ctx context.Context, o RabbitMQOptions) (*RabbitMQ, error) {
	if o.Name == "" {
		o.Name = "rabbitmq"
	}
	if o.Type.CPU > 0 && o.Type.CPU < rabbitLeastCPU {
		return nil, fmt.Errorf("start %s: type %s has %g CPU, RabbitMQ needs %g", o.Name, o.Type.Name, o.Type.CPU, rabbitLeastCPU)
	}
	options := "rabbitmq " + o.Conf
	if parked, err := takeOver[RabbitMQ](ctx, b, o.Name, options, o.Type); err != nil || parked != nil {
		return parked, err
	}
	image, err := b.image(ctx, images.RabbitMQ)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	sp := spec{
		kind:  "rabbitmq",
		name:  o.Name,
		image: image,
		env: map[string]string{
			"RABBITMQ_DEFAULT_USER": rabbitUser,
			"RABBITMQ_DEFAULT_PASS": b.secrets.brokerPassword,
		},
		ports:       []int{AMQPPort, managementPort, rabbitMetricsPort},
		typ:         o.Type,
		quotaLater:  true, // at half a core the start takes too long
		caps:        rootThenUserCaps(),
		ready:       logReady(rabbitReadyLogEntry, rabbitReady),
		stopTimeout: 20 * time.Second,
	}
	if o.Conf != "" {
		sp.files = map[string]file{"/etc/rabbitmq/conf.d/90-workshop.conf": {content: []byte(o.Conf), mode: 0o644}}
	}
	s, err := b.create(ctx, sp)
	if err != nil {
		return nil, err
	}
	if o.Type.CPU > 0 {
		if err := s.Resize(ctx, o.Type); err != nil {
			return nil, err
		}
	}
	r := &RabbitMQ{Server: s, password: b.secrets.brokerPassword}
	b.offer(&reusable{server: s, value: r, options: options, restore: r.renewVirtualHost})
	return r, nil
}

// renewVirtualHost deletes the default virtual host, with its queues, exchanges, policies and
// connections, and makes it anew.
func (r *RabbitMQ) renewVirtualHost(ctx context.Context) error {
	const host, permissions = "vhosts/%2F", "permissions/%2F/" + rabbitUser
	for _, call := range []struct{ method, path, body string }{
		{http.MethodDelete, host, ""},
		{http.MethodPut, host, "{}"},
		{http.MethodPut, permissions, `{"configure": ".*", "write": ".*", "read": ".*"}`},
	} {
		if err := r.manage(ctx, call.method, call.path, call.body); err != nil {
			return fmt.Errorf("renew virtual host: %w", err)
		}
	}
	return nil
}

// manage sends one request to the management API.
func (r *RabbitMQ) manage(ctx context.Context, method, path, body string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(managementTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, r.ManagementURL()+"api/"+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return nil
}

// URL is the broker's address for this process.
func (r *RabbitMQ) URL() string { return r.url("amqp", r.Address(AMQPPort)) }

// InternalURL is the broker's address for servers on the bed.
func (r *RabbitMQ) InternalURL() string { return r.url("amqp", r.InternalAddress(AMQPPort)) }

// URLVia is the broker's address for servers on the bed that use a slow link to it.
func (r *RabbitMQ) URLVia(link *SlowLink) string { return r.url("amqp", link.InternalAddress()) }

// ManagementURL is the management API's address for this process, with credentials.
func (r *RabbitMQ) ManagementURL() string { return r.url("http", r.Address(managementPort)) }

// MetricsURL is where this process finds the broker's metrics.
func (r *RabbitMQ) MetricsURL() string {
	return "http://" + r.Address(rabbitMetricsPort) + "/metrics"
}

// Queue is the state of a queue, from the management API.
type Queue struct {
	Name    string `json:"name"`
	Type    string `json:"type"`                    // classic, quorum or stream
	Ready   int    `json:"messages_ready"`          // messages not delivered yet
	Unacked int    `json:"messages_unacknowledged"` // messages delivered and not acknowledged
}

// Queues returns the queues of the broker, by name. The broker updates its counts about
// every five seconds, so a count may be five seconds old.
func (r *RabbitMQ) Queues(ctx context.Context) (queues map[string]Queue, err error) {
	ctx, cancel := context.WithTimeout(ctx, managementTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ManagementURL()+"api/queues/%2F", nil)
	if err != nil {
		return nil, fmt.Errorf("list queues of %s: %w", r.Name(), err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("list queues of %s: %w", r.Name(), err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list queues of %s: status %d", r.Name(), response.StatusCode)
	}
	var list []Queue
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("list queues of %s: %w", r.Name(), err)
	}
	queues = make(map[string]Queue, len(list))
	for _, q := range list {
		queues[q.Name] = q
	}
	return queues, nil
}

func (r *RabbitMQ) url(scheme, address string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(rabbitUser, r.password), Host: address, Path: "/"}
	return u.String()
}
