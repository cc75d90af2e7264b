package course

import (
	"slices"

	"bytebites.example/workshop/shared/testbed/images"
)

// Profile is a profile of docker-compose.yml.
type Profile struct {
	Name string
	Text string // one line for the help of `up`
	// AddOn marks a profile without a storefront. `up` starts it beside a profile with one.
	AddOn bool
	// Use is what the code of an earlier lab does not use yet, such as "the cache". `up` refuses
	// to start the profile with such code, and names the profile Instead. Both are empty when
	// the code of every lab fits.
	Use, Instead string
	Servers      []Server
	// Secrets are the variables that hold random secrets. Each is listed once, in the first
	// profile whose servers need it.
	Secrets []string
}

// Server is a service of docker-compose.yml, as far as `up` has to know it.
type Server struct {
	Service string // its name there
	// ImageVariable is the variable that names the image.
	ImageVariable string
	// Image is what ImageVariable is set to. Empty means that `up` makes the image itself: the
	// seeded database, or a program of the workshop.
	Image images.Name
	Ports []Port
	// Renew marks a server that reads configuration files or addresses only when it starts. `up`
	// starts it anew, because compose does not see that these have changed.
	Renew bool
}

// Port is a port that a server publishes on the loopback address.
type Port struct {
	Variable string // of docker-compose.yml
	Standard string // the port, unless the variable says otherwise
	// Storefront is what `up` calls the storefront at this port. It is empty at other ports.
	Storefront string
}

// LabProfile is a profile and the number of the lab that it comes with.
type LabProfile struct {
	Profile
	Lab int
}

// Profiles returns the profiles of the labs, in order.
func (c Course) Profiles() []LabProfile {
	var all []LabProfile
	for _, l := range c {
		for _, p := range l.Profiles {
			all = append(all, LabProfile{p, l.Number})
		}
	}
	return all
}

// StackServer is a server of docker-compose.yml and the names of the profiles that start it.
type StackServer struct {
	Server
	Profiles []string
}

// Servers returns the servers of the profiles, each once, in the order of the profiles.
func (c Course) Servers() []StackServer {
	var all []StackServer
	for _, p := range c.Profiles() {
		for _, s := range p.Servers {
			at := slices.IndexFunc(all, func(seen StackServer) bool { return seen.Service == s.Service })
			if at < 0 {
				all = append(all, StackServer{Server: s, Profiles: []string{p.Name}})
			} else {
				all[at].Profiles = append(all[at].Profiles, p.Name)
			}
		}
	}
	return all
}

// ProfilesWith returns the names of the profiles that start the server.
func (c Course) ProfilesWith(service string) []string {
	for _, s := range c.Servers() {
		if s.Service == service {
			return s.Profiles
		}
	}
	return nil
}

// ImageVariables returns the variables of docker-compose.yml that name images, each once.
func (c Course) ImageVariables() []string {
	var names []string
	for _, s := range c.Servers() {
		if s.ImageVariable != "" {
			names = append(names, s.ImageVariable)
		}
	}
	return distinct(names)
}

// Secrets returns the variables of docker-compose.yml that random secrets go into. Compose
// starts no profile without all of them.
func (c Course) Secrets() []string {
	var names []string
	for _, p := range c.Profiles() {
		names = append(names, p.Secrets...)
	}
	return distinct(names)
}
