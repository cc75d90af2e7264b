package stack

import (
	"context"
	"slices"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/images"
)

// makeImages makes the images of the chosen profiles. It returns their names by the variables of
// docker-compose.yml.
func (s *Stack) makeImages(ctx context.Context, e *engine.Engine, service string, size seed.Size, chosen []string) (map[string]string, error) {
	refs, err := s.serverImages(ctx, e, chosen)
	if err != nil {
		return nil, err
	}
	seeded, err := images.EnsureDataset(ctx, e, s.Progress, size)
	if err != nil {
		return nil, err
	}
	refs["DATABASE_IMAGE"] = string(seeded)
	platform, err := gobuild.PlatformOf(ctx, e)
	if err != nil {
		return nil, err
	}
	type program struct {
		variable, pkg string
		image         func(context.Context, *engine.Engine, *progress.Reporter, []byte) (images.Ref, error)
	}
	programs := []program{
		{"SERVICE_IMAGE", service, images.Service},
		{"MAILSINK_IMAGE", MailSinkPackage, images.MailSink},
	}
	if slices.Contains(chosen, monitoringProfile) {
		programs = append(programs, program{"ENGINE_STATS_IMAGE", EngineStatsPackage, images.EngineStats})
	}
	for _, part := range programs {
		binary, err := s.Build(ctx, platform, part.pkg)
		if err != nil {
			return nil, err
		}
		ref, err := part.image(ctx, e, s.Progress, binary)
		if err != nil {
			return nil, err
		}
		refs[part.variable] = string(ref)
	}
	return refs, nil
}

// serverImages makes the images of the real servers, and of the base that programs run on. It
// returns the servers' names by their variables.
func (s *Stack) serverImages(ctx context.Context, e *engine.Engine, chosen []string) (map[string]string, error) {
	want := []images.Name{images.Postgres, images.Static}
	for _, server := range s.Course.Servers() {
		if server.Image != "" && anyOf(server.Profiles, chosen) {
			want = append(want, server.Image)
		}
	}
	ensured, err := images.Ensure(ctx, e, s.Progress, want...)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, server := range s.Course.Servers() {
		if ref, ok := ensured[server.Image]; ok {
			refs[server.ImageVariable] = string(ref)
		}
	}
	return refs, nil
}
