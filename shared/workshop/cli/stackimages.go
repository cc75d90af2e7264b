package cli

import (
	"context"
	"errors"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/images"
)

// The programs that a stack runs.
const (
	servicePackage  = "./solutions/service"
	mailSinkPackage = "./shared/cmd/mailsink"
)

// stackImages makes the images of the chosen profiles and returns their names by the
// variables of docker-compose.yml, and the engine's address.
func (a *app) stackImages(ctx context.Context, p *progress.Reporter, service string, size seed.Size, chosen []string) (refs map[string]string, host string, err error) {
	e, err := a.connect(ctx, p)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = e.Close() }()
	servers := []struct {
		profiles []string // with any of which the server comes
		name     images.Name
		variable string
	}{
		{[]string{"monitoring"}, images.Prometheus, "PROMETHEUS_IMAGE"},
		{replicaProfiles(), images.Nginx, "NGINX_IMAGE"},
		{cacheProfiles(), images.Redis, "REDIS_IMAGE"},
		{[]string{shardingProfile}, images.Postgres, "POSTGRES_IMAGE"}, // of the shards, which begin empty
		{[]string{queueProfile}, images.RabbitMQ, "RABBITMQ_IMAGE"},
	}
	want := []images.Name{images.Postgres, images.Static}
	for _, s := range servers {
		if anyOf(s.profiles, chosen) {
			want = append(want, s.name)
		}
	}
	ensured, err := images.Ensure(ctx, e, p, want...)
	if err != nil {
		return nil, "", err
	}
	refs = map[string]string{}
	for _, s := range servers {
		if ref, ok := ensured[s.name]; ok {
			refs[s.variable] = string(ref)
		}
	}
	seeded, err := images.EnsureDataset(ctx, e, p, size)
	if err != nil {
		return nil, "", err
	}
	refs["DATABASE_IMAGE"] = string(seeded)
	for _, part := range []struct {
		variable, pkg string
		image         func(context.Context, *engine.Engine, *progress.Reporter, []byte) (images.Ref, error)
	}{
		{"SERVICE_IMAGE", service, images.Service},
		{"MAILSINK_IMAGE", mailSinkPackage, images.MailSink},
	} {
		ref, err := a.programImage(ctx, e, p, part.pkg, part.image)
		if err != nil {
			return nil, "", err
		}
		refs[part.variable] = string(ref)
	}
	return refs, e.Host(), nil
}

// programImage compiles a program for the engine's platform and puts it into an image.
func (a *app) programImage(ctx context.Context, e *engine.Engine, p *progress.Reporter, pkg string,
	image func(context.Context, *engine.Engine, *progress.Reporter, []byte) (images.Ref, error),
) (images.Ref, error) {
	platform, err := gobuild.PlatformOf(ctx, e)
	if err != nil {
		return "", err
	}
	binary, err := buildProgram(ctx, p, platform, pkg)
	if err != nil {
		return "", err
	}
	return image(ctx, e, p, binary)
}

// buildProgram builds a program as the test bed does.
func buildProgram(ctx context.Context, p *progress.Reporter, platform gobuild.Platform, pkg string) ([]byte, error) {
	step := p.Step("build %s", pkg)
	step.Detail("the first time compiles everything, which takes minutes")
	binary, err := gobuild.NewBuilder(platform).Binary(ctx, pkg)
	var compile *gobuild.CompileError
	if errors.As(err, &compile) {
		step.Fail(errNotCompiling) // what the compiler said is shown once, by the caller
		return nil, &compileError{pkg, compile.Output}
	}
	step.End(err)
	return binary, err
}

// imageVariables are the variables of docker-compose.yml that name images.
func imageVariables() []string {
	return []string{
		"DATABASE_IMAGE", "SERVICE_IMAGE", "MAILSINK_IMAGE", "PROMETHEUS_IMAGE", "NGINX_IMAGE", "REDIS_IMAGE", "POSTGRES_IMAGE",
		"RABBITMQ_IMAGE",
	}
}
