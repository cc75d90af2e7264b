// Package plan has the types of plan.yaml and its strict parser. It is given.
package plan

import (
	"time"

	"bytebites.example/workshop/shared/instance"
)

// File is the name of the file that the learner edits.
const File = "plan.yaml"

// The limits of a plan. Numbers beyond them are mistakes and not plans.
const (
	MostReplicas = 10 // as in lab 06
	MostShards   = 4  // lab 04 has four
	MostWorkers  = 8  // as in lab 06
)

// Plan says what runs during the evening. Balancer, broker and relay are the same in every plan; see
// BalancerType, BrokerType and RelayType.
type Plan struct {
	Replicas  Replicas `yaml:"replicas"`
	Catalogue Server   `yaml:"catalogue"`
	Shards    Servers  `yaml:"shards"`
	Workers   Servers  `yaml:"workers"`
	Cache     Cache    `yaml:"cache"`
}

// Replicas are the replicas of the service. Either Policy is nil, or Count is 0.
type Replicas struct {
	Type   instance.Type `yaml:"type"`
	Count  int           `yaml:"count"` // 1 to MostReplicas, or 0 with a policy
	Policy *Policy       `yaml:"policy"`
}

// Fewest returns the number of replicas that run at any time.
func (r Replicas) Fewest() int {
	if r.Policy != nil {
		return r.Policy.Min
	}
	return r.Count
}

// First returns the number of replicas at the start of the evening.
func (r Replicas) First() int {
	if r.Policy != nil {
		return r.Policy.Desired
	}
	return r.Count
}

// Most returns the largest number of replicas that the plan allows.
func (r Replicas) Most() int {
	if r.Policy != nil {
		return r.Policy.Max
	}
	return r.Count
}

// Policy bounds the autoscaling policy of lab 06: 1 <= Min <= Desired <= Max <= MostReplicas.
type Policy struct {
	Min     int `yaml:"min"`
	Desired int `yaml:"desired"` // the number at the start
	Max     int `yaml:"max"`
}

// Server is one server.
type Server struct {
	Type instance.Type `yaml:"type"`
}

// Servers are several servers of one type.
type Servers struct {
	Type  instance.Type `yaml:"type"`
	Count int           `yaml:"count"`
}

// Cache is Redis.
type Cache struct {
	Type instance.Type `yaml:"type"`
	// MemoryMiB is Redis' maxmemory, in MiB: at least 1, at most the memory of the type.
	MemoryMiB int `yaml:"memory"` // written as 32MiB
}

// Item is a line of the bill: servers of one kind, and how long they ran.
type Item struct {
	Part  string // such as "replicas"
	Type  instance.Type
	Hours float64 // instance-hours: number of servers times hours
}

// dollars returns the price of the item, in dollars.
func (i Item) dollars() float64 {
	const micros = 1e6
	return i.Hours * float64(i.Type.PriceMicros) / micros
}

// The types of the servers that are the same in every plan.

// BalancerType is the type of nginx.
func BalancerType() instance.Type { return instance.Micro() }

// BrokerType is the type of RabbitMQ, which needs 20 s to start on a smaller one.
func BrokerType() instance.Type { return instance.Small() }

// RelayType is the type of the relay of lab 05.
func RelayType() instance.Type { return instance.Nano() }

// Items returns the bill of an evening in which the replicas ran for that many instance-hours. The mail
// server belongs to another company, and has no price here.
// The other servers ran all the time.
func (p Plan) Items(evening time.Duration, replicaHours float64) []Item {
	hours := evening.Hours()
	return []Item{
		{"replicas", p.Replicas.Type, replicaHours},
		{"catalogue", p.Catalogue.Type, hours},
		{"shards", p.Shards.Type, float64(p.Shards.Count) * hours},
		{"workers", p.Workers.Type, float64(p.Workers.Count) * hours},
		{"cache", p.Cache.Type, hours},
		{"balancer", BalancerType(), hours},
		{"broker", BrokerType(), hours},
		{"relay", RelayType(), hours},
	}
}

// Price returns the sum of Items, in dollars.
func (p Plan) Price(evening time.Duration, replicaHours float64) float64 {
	var sum float64
	for _, item := range p.Items(evening, replicaHours) {
		sum += item.dollars()
	}
	return sum
}

// PriceAtMost returns the price of an evening with the largest number of replicas all the time, in
// dollars. A real evening with a policy costs less.
func (p Plan) PriceAtMost(evening time.Duration) float64 {
	return p.Price(evening, float64(p.Replicas.Most())*evening.Hours())
}

// Entries are the entries of one kind in Redis.
type Entries struct {
	Name  string // such as "sessions"
	Count int
	Bytes int // of one entry with its key, as MEMORY USAGE counts it
}
