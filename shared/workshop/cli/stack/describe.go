package stack

import (
	"slices"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/course"
)

// Description says how to use a stack that is up.
type Description struct {
	// Facts are pairs of a name and a value: addresses and logins.
	Facts [][]string
	// Next are the steps that a user can take.
	Next []string
	// UnfinishedMove is the command that continues a move of user data to the shards; empty
	// when there was no move, or when it is finished.
	UnfinishedMove string
}

// frontDoor is a storefront.
type frontDoor struct {
	profiles                []string // each of them starts the service
	service, fact, variable string
}

func frontDoors(labs course.Course) []frontDoor {
	var doors []frontDoor
	for _, s := range labs.Servers() {
		for _, p := range s.Ports {
			if p.Storefront != "" {
				doors = append(doors, frontDoor{s.Profiles, s.Service, p.Storefront, p.Variable})
			}
		}
	}
	return doors
}

func (s *Stack) describe(file *envFile, chosen []string) Description {
	var d Description
	fact := func(name, value string) { d.Facts = append(d.Facts, []string{name, value}) }
	url := ""
	for _, door := range frontDoors(s.Course) {
		if anyOf(door.profiles, chosen) {
			url = s.address(file, door.variable)
			fact(door.fact, url+"/")
		}
	}
	if slices.Contains(chosen, baselineProfile) {
		fact("metrics", s.address(file, "SERVICE_PORT")+"/metrics")
		fact("profiles", s.address(file, "PPROF_PORT")+"/debug/pprof/")
	}
	fact("database", "postgres:5432 inside the stack, user "+images.DatasetUser+", password POSTGRES_PASSWORD in .env")
	fact("mail sink", s.address(file, "MAILSINK_PORT")+"/stats")
	if slices.Contains(chosen, queueProfile) {
		fact("RabbitMQ", s.address(file, "RABBITMQ_PORT")+"/, user bytebites, password BROKER_PASSWORD in .env")
	}
	if slices.Contains(chosen, monitoringProfile) {
		prometheus := s.address(file, "PROMETHEUS_PORT")
		fact("monitoring", prometheus+"/consoles/bytebites.html")
		fact("Prometheus", prometheus+"/")
		fact("alerts", s.address(file, "ALERTMANAGER_PORT")+"/api/v2/alerts")
	}
	fact("sign in as", seed.Email(1))
	fact("password", seed.Password)
	fact("staff token", "STAFF_TOKEN in .env")

	if anyOf(replicaProfiles(s.Course), chosen) {
		d.Next = append(d.Next, "sign in at "+url+"/ and reload: the foot of the page names the replica")
	} else {
		d.Next = append(d.Next, "order a dinner at "+url+"/")
	}
	d.Next = append(d.Next, "go tool workshop shell postgres   opens psql on the database")
	if anyOf(cacheProfiles(s.Course), chosen) {
		d.Next = append(d.Next, "go tool workshop shell redis      opens redis-cli on the cache")
	}
	if slices.Contains(chosen, queueProfile) {
		d.Next = append(d.Next, "go tool workshop shell rabbitmq -- list_queues   lists the queues")
	}
	if slices.Contains(chosen, shardingProfile) {
		d.Next = append(d.Next, "go tool workshop shell shard-1    opens psql on a shard; userdata is the server before the move")
	}
	d.Next = append(d.Next, "go tool workshop down             stops the stack and removes its data")
	return d
}
