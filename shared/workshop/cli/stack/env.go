package stack

import (
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// writeEnv writes .env for a stack of these images and this code. It keeps secrets that are
// there.
func (s *Stack) writeEnv(refs map[string]string, code stackCode) (*envFile, error) {
	file, err := s.readEnv()
	if err != nil {
		return nil, err
	}
	file.set("COMPOSE_PROJECT_NAME", s.project(file))
	// The seeded database has this password already. Its port is not published.
	file.set("POSTGRES_PASSWORD", images.DatasetPassword)
	file.set("DEMO_EMAIL", seed.Email(1))
	file.set("DEMO_PASSWORD", seed.Password)
	file.set("REPLICA_ARGS", code.replicas)
	file.set("NGINX_CONF", code.nginx)
	file.set("REDIS_CONF", code.redis)
	file.set("USERDATA_HOST", "postgres")
	file.set("SHARD_DBS", "")
	if code.sharded {
		file.set("USERDATA_HOST", userDataServer)
		file.set("SHARD_DBS", shardURLs(images.DatasetPassword))
	}
	for _, key := range s.Course.Secrets() {
		if err := file.keepSecret(key); err != nil {
			return nil, err
		}
	}
	for _, variable := range s.Course.ImageVariables() {
		if ref := refs[variable]; ref != "" {
			file.set(variable, ref)
		}
	}
	return file, file.write()
}
