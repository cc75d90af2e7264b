// Package sharding is lab 04, finished: see WHY.md for the reasons, and the lab of the same
// name for the lesson.
package sharding

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

//go:embed copy.go migrate.go router.go stores.go
var files embed.FS

// Files returns the files that a learner edits.
func Files() fs.FS { return files }

// Apply spreads a service's user data over its servers, and adds the role that moves it.
func Apply(c *service.Composition) {
	c.UserData = open
	c.OrderID = NewRouter().NewOrderID
	c.Roles["migrate"] = shardstore.Role(migrate)
	c.Roles["own-mover"] = shardstore.Role(ownMover)
}

// open returns the stores of user data that is spread over a service's servers.
func open(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
	parts, err := shardstore.Open(r, catalogue)
	if err != nil {
		return service.UserData{}, err
	}
	return shardstore.UserData(NewStores(parts), NewRouter()), nil
}

// NewStores returns the stores over the parts. Checks pass parts on paper.
func NewStores(p shardstore.Parts) shardstore.Access {
	return &stores{
		router: NewRouter(), maps: p.Maps, servers: p.Servers, copier: copier{p.Pools()},
		dark: p.Dark, meter: p.Meter, logger: p.Logger,
	}
}
