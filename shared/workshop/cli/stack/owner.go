package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
)

// The labels of a container of a stack. docker-compose.yml sets the first one, compose the others.
const (
	stackLabel   = "bytebites.stack"
	projectLabel = "com.docker.compose.project"
	folderLabel  = "com.docker.compose.project.working_dir"
)

// ours returns an error if the compose project has containers of another stack, because compose
// would replace or remove them. A stack of another clone of the workshop is ours too.
func (s *Stack) ours(ctx context.Context, e *engine.Engine, file *envFile) error {
	project := s.project(file)
	if !projectName.MatchString(project) {
		return unavailable(fmt.Sprintf("%q is not the name of a compose project", project),
			"use small letters, digits, - and _ for COMPOSE_PROJECT_NAME in .env, or remove the line")
	}
	list, err := e.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", projectLabel+"="+project),
	})
	if err != nil {
		return fmt.Errorf("list the containers of project %s: %w", project, err)
	}
	var foreign, folders []string
	for _, c := range list.Items {
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
