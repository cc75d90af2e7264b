package testbed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	redisConf  = "/tmp/redis.conf"
	redisReady = 30 * time.Second
)

// RedisOptions describe a Redis server.
type RedisOptions struct {
	Name string        // "redis" when empty
	Type instance.Type // the zero Type has no CPU quota and 2 GiB
	Conf string        // redis.conf; when empty, a cache that saves nothing to disk
}

// Redis is a Redis server.
type Redis struct{ *Server }

// Redis starts a Redis server.
func (b *Bed) Redis(ctx context.Context, o RedisOptions) (*Redis, error) {
	if o.Name == "" {
		o.Name = "redis"
	}
	if o.Conf == "" {
		o.Conf = "save \"\"\nappendonly no\n"
	}
	options := "redis " + o.Conf
	if parked, err := takeOver[Redis](ctx, b, o.Name, options, o.Type); err != nil || parked != nil {
		return parked, err
	}
	image, err := b.image(ctx, images.Redis)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	s, err := b.create(ctx, spec{
		kind:  "redis",
		name:  o.Name,
		image: image,
		// Protected mode off: clients need no password. Only the bed's network and this
		// machine's loopback interface reach the server.
		cmd:   []string{"redis-server", redisConf, "--protected-mode", "no", "--bind", "*", "-::*"},
		files: map[string]file{redisConf: {content: []byte(o.Conf), mode: 0o644}},
		ports: []int{RedisPort},
		typ:   o.Type,
		caps:  rootThenUserCaps(),
		ready: readiness{within: redisReady, attempt: redisPing},
	})
	if err != nil {
		return nil, err
	}
	r := &Redis{Server: s}
	b.offer(&reusable{server: s, value: r, options: options, restore: s.restart})
	return r, nil
}

// Address is the server's host:port for this process.
func (r *Redis) Address() string { return r.Server.Address(RedisPort) }

// InternalAddress is the server's host:port for servers on the bed.
func (r *Redis) InternalAddress() string { return r.Server.InternalAddress(RedisPort) }

// URL is the server's address for this process.
func (r *Redis) URL() string { return "redis://" + r.Address() + "/0" }

// InternalURL is the server's address for servers on the bed.
func (r *Redis) InternalURL() string { return "redis://" + r.InternalAddress() + "/0" }

// redisPing sends PING in Redis's inline protocol, which needs no client library.
func redisPing(ctx context.Context, s *Server) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Address(RedisPort))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(line); got != "+PONG" {
		return fmt.Errorf("PING: %s", got) // such as: LOADING
	}
	return nil
}
