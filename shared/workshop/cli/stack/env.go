package stack

import (
	"regexp"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// The secrets that docker-compose.yml puts into URLs.
const (
	databasePassword = "POSTGRES_PASSWORD"
	brokerPassword   = "BROKER_PASSWORD"
)

// urlSafe are the characters that a URL holds without escaping.
var urlSafe = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// writeEnv writes .env for a stack of these images and this code. It keeps secrets that are
// there. The service engine-stats asks the engine at that socket.
func (s *Stack) writeEnv(refs map[string]string, code stackCode, access socket) (*envFile, error) {
	file, err := s.readEnv()
	if err != nil {
		return nil, err
	}
	file.set("COMPOSE_PROJECT_NAME", s.project(file))
	if file.get(databasePassword) == images.DatasetPassword {
		file.set(databasePassword, "") // an earlier version of `up` wrote the one of the seeded image
	}
	for _, key := range s.Course.Secrets() {
		if err := file.keepSecret(key); err != nil {
			return nil, err
		}
	}
	for _, key := range []string{databasePassword, brokerPassword} {
		if !urlSafe.MatchString(file.get(key)) {
			return nil, unavailable(key+" in .env has a character that the URLs of the stack cannot hold",
				"use letters, digits and . _ ~ - only; or remove the line, and `go tool workshop up` makes a random one")
		}
	}
	file.set("DEMO_EMAIL", seed.Email(1))
	file.set("DEMO_PASSWORD", seed.Password)
	file.set("REPLICA_ARGS", code.replicas)
	file.set("NGINX_CONF", code.nginx)
	file.set("REDIS_CONF", code.redis)
	file.set("ENGINE_SOCKET", access.path)
	file.set("ENGINE_GROUP", access.group)
	file.set("USERDATA_HOST", "postgres")
	file.set("SHARD_DBS", "")
	if code.sharded {
		file.set("USERDATA_HOST", userDataServer)
		file.set("SHARD_DBS", shardURLs(file.get(databasePassword)))
	}
	for _, variable := range s.Course.ImageVariables() {
		if ref := refs[variable]; ref != "" {
			file.set(variable, ref)
		}
	}
	return file, file.write()
}
