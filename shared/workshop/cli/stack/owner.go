package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
)

// The labels of a container of a stack. docker-compose.yml sets the first one, compose the others.
const (
	stackLabel   = "bytebites.stack"
	projectLabel = "com.docker.compose.project"
	folderLabel  = "com.docker.compose.project.working_dir"
	serviceLabel = "com.docker.compose.service"
	oneOffLabel  = "com.docker.compose.oneoff" // "True" for a container of `compose run`
)

// ours returns an error if the compose project has containers of another stack, because compose
// would replace or remove them. A stack of another clone of the workshop is ours too.
func (s *Stack) ours(ctx context.Context, e *engine.Engine, file *envFile) error {
	project := s.project(file)
	if !projectName.MatchString(project) {
		return unavailable(fmt.Sprintf("%q is not the name of a compose project", project),
			"use small letters, digits, - and _ for COMPOSE_PROJECT_NAME in .env, or remove the line")
	}
	list, err := containersOf(ctx, e, project, true)
	if err != nil {
		return err
	}
	var foreign, folders []string
	for _, c := range list {
		folder := c.Labels[folderLabel]
		if c.Labels[stackLabel] != "" || s.isRoot(folder) { // earlier versions set no label
			continue
		}
		foreign = append(foreign, strings.TrimPrefix(slices.Concat(c.Names, []string{c.ID})[0], "/"))
		if folder != "" {
			folders = append(folders, folder)
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	slices.Sort(folders)
	from := ""
	if folders = slices.Compact(folders); len(folders) > 0 {
		from = ", started in " + strings.Join(folders, ", ")
	}
	return unavailable(
		fmt.Sprintf("compose project %s has containers of another stack: %s%s", project, strings.Join(foreign, ", "), from),
		"give this stack another name: COMPOSE_PROJECT_NAME=bytebites-workshop in .env",
	)
}

// running returns the names of the services that run. It asks the engine, which answers at once: `up` asks
// every few seconds while the stack starts, and compose would use a second of CPU each time.
func (s *Stack) running(ctx context.Context, e *engine.Engine, file *envFile) ([]string, error) {
	list, err := containersOf(ctx, e, s.project(file), false)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range list {
		if name := c.Labels[serviceLabel]; name != "" && !strings.EqualFold(c.Labels[oneOffLabel], "true") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// containersOf returns the containers of a compose project: all, or those that run.
func containersOf(ctx context.Context, e *engine.Engine, project string, all bool) ([]container.Summary, error) {
	filters := client.Filters{}.Add("label", projectLabel+"="+project)
	if !all {
		filters = filters.Add("status", "running")
	}
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: all, Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("list the containers of project %s: %w", project, err)
	}
	return list.Items, nil
}

// isRoot reports whether a folder is the root of this clone.
func (s *Stack) isRoot(folder string) bool {
	if folder == "" {
		return false
	}
	if filepath.Clean(folder) == filepath.Clean(s.Root) {
		return true
	}
	real, err := filepath.EvalSymlinks(s.Root)
	return err == nil && filepath.Clean(folder) == real
}
