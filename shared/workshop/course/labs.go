package course

import (
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// Labs returns the labs of the workshop.
func Labs() Course {
	return Course{
		{
			Number: 0, Name: "00-baseline", Title: "baseline", Minutes: 60,
			Summary: "measure first: find where the time goes, and the missing index",
			Steps: []Step{
				{Number: 1, Name: "find the slow statement", Minutes: 10, Places: []string{"answers.go: Answers"}},
				{Number: 2, Name: "write its index", Minutes: 15, Places: []string{"index.sql"}},
				{Number: 3, Name: "find what an order waits for", Minutes: 10, Places: []string{"answers.go: Answers"}},
				{Number: 4, Name: "find what a restart forgets", Minutes: 10, Places: []string{"answers.go: Answers"}},
				{Number: 5, Name: "find the knee", Minutes: 15, Places: []string{"answers.go: Answers"}},
			},
			Files:   []string{"answers.go", "index.sql"},
			Images:  []images.Name{images.Postgres, images.Static},
			Dataset: seed.Full(), Untimed: seed.Growing(),
			Profiles: []Profile{
				{
					Name: "baseline", Text: "the slow monolith, PostgreSQL with the seeded data, a mail sink",
					Servers: []Server{monolith(), mailSink(), postgres()},
					Secrets: []string{"POSTGRES_PASSWORD", "STAFF_TOKEN", "PAYMENT_SECRET", "MONITOR_PASSWORD"},
				},
				// Monitoring comes with lab 00, because it joins the profile of every lab. The number of a
				// later lab would make `up` start that lab's code.
				{
					Name: "monitoring", Text: "Prometheus, its alerts and exporters, beside the other profiles named or the baseline", AddOn: true,
					Servers: monitoring(),
				},
			},
			Budget: Budget{Service: "one `b1.small` (0.5)", PostgreSQL: "`b1.medium` (1)", AtOnce: "1.5", Left: "0.5"},
		},
		{
			Number: 1, Name: "01-vertical", Title: "vertical", Minutes: 60,
			Summary: "a bigger machine, and what stops it from helping",
			Steps: []Step{
				{Number: 1, Name: "take the lock out", Minutes: 15, Places: []string{"checkout.go: Checkout", "checkout.go: Checkout.turn"}},
				{Number: 2, Name: "mail after the transaction", Minutes: 25, Places: []string{"checkout.go: Checkout.PlaceOrder", "checkout.go: Checkout.finish"}},
				{Number: 3, Name: "size the pool", Minutes: 10, Places: []string{"sizing.go: Pool", "sizing.go: maxConnections"}},
				{Number: 4, Name: "choose the machine", Minutes: 10, Places: []string{"sizing.go: Size"}},
			},
			Files:   []string{"checkout.go", "sizing.go"},
			Dataset: seed.Full(), Untimed: seed.Growing(),
			Budget: Budget{
				Service:    "one under load at a time: `b1.micro` (0.25), then `b1.medium` (1)",
				PostgreSQL: "`b1.small` (0.5)", AtOnce: "1.5", Left: "0.5",
			},
		},
		{
			Number: 2, Name: "02-horizontal", Title: "horizontal", Minutes: 75,
			Summary: "stateless replicas behind nginx, any of which may die unnoticed",
			Steps: []Step{
				{Number: 1, Name: "say what is stateless", Minutes: 10, Places: []string{"answers.go: Answers"}},
				{
					Number: 2, Name: "share the sessions", Minutes: 25, Places: []string{
						"sessions.go: Sessions", "sessions.go: NewSessions", "sessions.go: Sessions.Create",
						"sessions.go: Sessions.Session", "sessions.go: Sessions.Delete",
					},
				},
				{Number: 3, Name: "spread the load", Minutes: 10, Places: []string{"nginx.conf"}},
				{Number: 4, Name: "survive the death of a replica", Minutes: 15, Places: []string{"nginx.conf"}},
				{
					Number: 5, Name: "stop without an error", Minutes: 15,
					Places: []string{"shutdown.go: Lifecycle", "shutdown.go: drainDelay", "shutdown.go: errLeaving", "shutdown.go: Lifecycle.Ready", "shutdown.go: Lifecycle.Stop"},
				},
			},
			Files:   []string{"answers.go", "sessions.go", "nginx.conf", "shutdown.go"},
			Images:  []images.Name{images.Nginx},
			Dataset: seed.Full(), Untimed: seed.Growing(),
			Profiles: []Profile{{
				Name: "horizontal", Text: "three replicas behind nginx",
				Servers: replicated(),
			}},
			Budget: Budget{
				Service:    "one or three under load, each a `b1.micro` (0.25)",
				PostgreSQL: "`b1.small` (0.5)", AtOnce: "1.25", Left: "0.75, of which nginx takes a little",
			},
		},
		{
			Number: 3, Name: "03-cache", Title: "cache", Minutes: 90,
			Summary: "Redis: read-through catalogue, write-through sessions",
			Steps: []Step{
				{Number: 1, Name: "bound the memory", Minutes: 5, Places: []string{"redis.conf"}},
				{Number: 2, Name: "bound the waiting", Minutes: 15, Places: []string{"redis.go: callTimeout", "redis.go: options", "through.go: reader.get"}},
				{Number: 3, Name: "make entries say what they are", Minutes: 20, Places: []string{
					"through.go: schema", "through.go: absentFor", "through.go: reader.key", "through.go: reader.look", "through.go: reader.take",
					"through.go: reader.entries", "catalogue.go: pageName",
				}},
				{Number: 4, Name: "one query for 200 misses", Minutes: 15, Places: []string{"through.go: loadTimeout", "through.go: reader", "through.go: reader.loadOnce"}},
				{Number: 5, Name: "invalidate after the commit", Minutes: 20, Places: []string{
					"catalogue.go: popularFor", "catalogue.go: catalogue", "catalogue.go: Cache.Catalogue", "catalogue.go: catalogue.Meals",
					"catalogue.go: catalogue.UpdateMeal", "catalogue.go: ratings.Rate", "catalogue.go: Cache.popular",
				}},
				{Number: 6, Name: "write sessions through", Minutes: 15, Places: []string{
					"sessions.go: sessionFor", "sessions.go: keepSession", "sessions.go: sessions.Create", "sessions.go: sessions.Session", "sessions.go: sessions.Delete",
				}},
			},
			Files:   []string{"redis.conf", "redis.go", "through.go", "catalogue.go", "sessions.go"},
			Stretch: []string{"stretch_jitter.go", "stretch_leases.go", "stretch_deletions.go", "stretch_breaker.go"},
			Images:  []images.Name{images.Redis},
			Faults:  []images.Name{images.Toxiproxy},
			Dataset: seed.Full(), Untimed: seed.Growing(),
			Profiles: []Profile{{
				Name: "cache", Text: "the replicas with Redis",
				Use: "the cache", Instead: "horizontal",
				Servers: append(replicated(), redis()),
			}},
			Budget: Budget{
				Service:    "one under load at a time, each a `b1.micro` (0.25)",
				PostgreSQL: "`b1.micro` (0.25)", AtOnce: "0.75, Redis included, a `b1.micro` (0.25)", Left: "1.25",
			},
		},
		{
			Number: 4, Name: "04-sharding", Title: "sharding", Minutes: 120,
			Summary: "user data on four PostgreSQL shards, migrated while live",
			Steps: []Step{
				{
					Number: 1, Name: "route by bucket", Minutes: 20,
					Places: []string{"router.go: router.Plan", "router.go: shares"},
				},
				{
					Number: 2, Name: "ask all shards for totals", Minutes: 20,
					Places: []string{"stores.go: stores.Everywhere", "stores.go: answer", "stores.go: stores.gather"},
				},
				{
					Number: 3, Name: "write behind the fence", Minutes: 20,
					Places: []string{"stores.go: byMap", "stores.go: stores.atHome"},
				},
				{
					Number: 4, Name: "lose no copy", Minutes: 25,
					Places: []string{"stores.go: stores.marked", "stores.go: stores.mirror", "copy.go: settle"},
				},
				{
					Number: 5, Name: "let the newer copy win", Minutes: 10,
					Places: []string{"copy.go: copier.copy"},
				},
				{
					Number: 6, Name: "hand over behind closed fences", Minutes: 25,
					Places: []string{"migrate.go: HandOver", "migrate.go: switchOnce", "migrate.go: closedTimeout", "migrate.go: handOverTries"},
				},
			},
			Files:   []string{"router.go", "stores.go", "copy.go", "migrate.go"},
			Stretch: []string{"stretch_mover.go"},
			Dataset: seed.Early(),
			Profiles: []Profile{{
				Name: "sharding", Text: "the same, with user data moved to four PostgreSQL shards while you watch",
				Use: "the shards", Instead: "cache",
				Servers: append(replicated(), redis(), shard()),
			}},
			Budget: Budget{
				Service:    "one under load at a time, a `b1.small` (0.5)",
				PostgreSQL: "catalogue `b1.small` (0.5); user data on a `b1.nano` (0.1), then on four (0.4)",
				AtOnce:     "1.65, Redis included, a `b1.micro` (0.25)", Left: "0.35",
			},
		},
		{
			Number: 5, Name: "05-queue", Title: "queue", Minutes: 120,
			Summary: "RabbitMQ: orders stop waiting for mail, bookkeeping and recommendations, and none of these is lost",
			Steps: []Step{
				{
					Number: 1, Name: "write the event with the order", Minutes: 20,
					Places: []string{
						"publisher.go: Checkout.PlaceOrder", "publisher.go: Payments.Receive",
						"publisher.go: NewCheckout", "publisher.go: NewPayments",
					},
				},
				{Number: 2, Name: "keep what a queue holds", Minutes: 15, Places: []string{"topology.go: Declare"}},
				{Number: 3, Name: "publish with confirms", Minutes: 25, Places: []string{"publisher.go: NewPublisher", "publisher.go: messageOf"}},
				{
					Number: 4, Name: "acknowledge after the effect", Minutes: 20,
					Places: []string{"consumers.go: Consumers", "consumers.go: Serve", "consumers.go: worker.take", "consumers.go: worker.call"},
				},
				{
					Number: 5, Name: "do each effect once", Minutes: 20,
					Places: []string{"consumers.go: effects.ledger", "consumers.go: effects.recommendation", "consumers.go: effects.email"},
				},
				{Number: 6, Name: "retry and park", Minutes: 20, Places: []string{"consumers.go: worker.failed", "consumers.go: tries"}},
			},
			Files:   []string{"publisher.go", "topology.go", "consumers.go"},
			Stretch: []string{"stretch_replay.go"},
			Images:  []images.Name{images.RabbitMQ},
			Dataset: seed.Early(),
			Profiles: []Profile{{
				Name: "queue", Text: "the replicas with Redis, and RabbitMQ with a relay and a worker",
				Use: "the queue", Instead: "sharding",
				Servers: append(replicated(), redis(), rabbitMQ()),
				Secrets: []string{"BROKER_PASSWORD"},
			}},
			Budget: Budget{
				Service: "one under load at a time, a `b1.micro` (0.25); behind the second a relay, a `b1.nano` (0.1), " +
					"and a worker, a `b1.micro` (0.25)",
				PostgreSQL: "`b1.small` (0.5); two shards, each a `b1.nano` (0.1), without anybody who is in the rush",
				AtOnce:     "1.7, RabbitMQ included, a `b1.small` (0.5), and Redis, a `b1.nano` (0.1)", Left: "0.3",
			},
		},
		{
			Number: 6, Name: "06-autoscale", Title: "autoscale", Minutes: 90,
			Summary: "replicas follow the load: target tracking with patience, workers by backlog, and the bill",
			Steps: []Step{
				{Number: 1, Name: "read the metrics", Minutes: 10, Places: []string{"answers.go: Answers"}},
				{Number: 2, Name: "track the target", Minutes: 15, Places: []string{"policy.go: Desired", "policy.go: recommend"}},
				{Number: 3, Name: "wait until all readings agree", Minutes: 20, Places: []string{"policy.go: settle"}},
				{Number: 4, Name: "know what a reading does not say", Minutes: 20, Places: []string{"policy.go: load", "policy.go: settle"}},
				{Number: 5, Name: "size the workers", Minutes: 15, Places: []string{"workers.go: Workers"}},
				{Number: 6, Name: "read the bill", Minutes: 10, Places: []string{"bill.go: InstanceHours"}},
			},
			Files:   []string{"answers.go", "policy.go", "workers.go", "bill.go"},
			Stretch: []string{"stretch_steps.go", "stretch_predict.go"},
			Dataset: seed.Early(),
			Budget: Budget{
				Service:    "3 to 10 replicas, each a `b1.nano` (0.1)",
				PostgreSQL: "`b1.micro` (0.25)", AtOnce: "1.5, Redis included, a `b1.micro` (0.25)", Left: "0.5, of which nginx takes a little",
			},
		},
		{
			Number: 7, Name: "07-dinner-rush", Title: "dinner rush", Minutes: 90,
			Summary: "all of it together: a plan for 100,000 subscribers, from calculations, and faults on purpose",
			Steps: []Step{
				{Number: 1, Name: "count what is in flight", Minutes: 10, Places: []string{"capacity.go: InFlight", "capacity.go: Connections"}},
				{Number: 2, Name: "ask the curve", Minutes: 10, Places: []string{"capacity.go: Replicas"}},
				{Number: 3, Name: "keep headroom", Minutes: 10, Places: []string{"capacity.go: Fleet"}},
				{Number: 4, Name: "size workers and cache", Minutes: 15, Places: []string{"capacity.go: Workers", "capacity.go: Memory"}},
				{Number: 5, Name: "read the bill", Minutes: 10, Places: []string{"capacity.go: Bill", "capacity.go: PerMillion"}},
				{Number: 6, Name: "plan, and play the rush", Minutes: 35, Places: []string{"plan.yaml"}},
			},
			Files:    []string{"capacity.go", "plan.yaml"},
			Dataset:  seed.Full(),
			Together: true,
			Budget: Budget{
				Service: "3 to 10 replicas, each a `b1.nano` (0.1), a relay, a `b1.nano`, and three workers, each a `b1.micro` (0.25); " +
					"after the rush the monolith, a `b1.small` (0.5)",
				PostgreSQL: "catalogue `b1.small` (0.5), and four shards, each a `b1.micro` (0.25); `b1.small` (0.5) for the monolith",
				AtOnce:     "quotas of 4.2, with RabbitMQ, Redis and nginx, of which 1.24 were used at the peak", Left: "0.76",
			},
		},
	}
}

// Planned returns the labs that README.md announces and that are not there yet. They have a
// number, a name, a title and a summary.
func Planned() Course { return nil }

// The servers of docker-compose.yml, by the profiles that start them.

func monolith() Server {
	return Server{Service: "service", ImageVariable: "SERVICE_IMAGE", Ports: []Port{
		{Variable: "SERVICE_PORT", Standard: "8080", Storefront: "storefront"},
		{Variable: "PPROF_PORT", Standard: "6060"},
	}}
}

func mailSink() Server {
	return Server{Service: "mailsink", ImageVariable: "MAILSINK_IMAGE", Ports: []Port{{Variable: "MAILSINK_PORT", Standard: "8025"}}}
}

// postgres has the seeded data.
func postgres() Server { return Server{Service: "postgres", ImageVariable: "DATABASE_IMAGE"} }

// monitoring are Prometheus, what shows its alerts, and what turns the numbers of the other servers
// into metrics.
func monitoring() []Server {
	return []Server{
		{
			Service: "prometheus", ImageVariable: "PROMETHEUS_IMAGE", Image: images.Prometheus,
			Ports: []Port{{Variable: "PROMETHEUS_PORT", Standard: "9090"}},
		},
		{
			Service: "alertmanager", ImageVariable: "ALERTMANAGER_IMAGE", Image: images.Alertmanager,
			Ports: []Port{{Variable: "ALERTMANAGER_PORT", Standard: "9093"}},
		},
		{Service: "postgres-exporter", ImageVariable: "POSTGRES_EXPORTER_IMAGE", Image: images.PostgresExporter},
		{Service: "redis-exporter", ImageVariable: "REDIS_EXPORTER_IMAGE", Image: images.RedisExporter},
		{Service: "nginx-exporter", ImageVariable: "NGINX_EXPORTER_IMAGE", Image: images.NginxExporter},
		{Service: "engine-stats", ImageVariable: "ENGINE_STATS_IMAGE"},
	}
}

// replicated are nginx and what its three replicas need. The replicas' image is the monolith's.
func replicated() []Server {
	return []Server{
		{
			Service: "nginx", ImageVariable: "NGINX_IMAGE", Image: images.Nginx, Renew: true, // reads nginx.conf and the replicas' addresses
			Ports: []Port{{Variable: "BALANCER_PORT", Standard: "8081", Storefront: "storefront, through nginx"}},
		},
		mailSink(), postgres(),
	}
}

func redis() Server {
	return Server{Service: "redis", ImageVariable: "REDIS_IMAGE", Image: images.Redis, Renew: true} // reads redis.conf
}

// shard stands for all four shards, which begin empty.
func shard() Server {
	return Server{Service: "shard-1", ImageVariable: "POSTGRES_IMAGE", Image: images.Postgres}
}

func rabbitMQ() Server {
	return Server{
		Service: "rabbitmq", ImageVariable: "RABBITMQ_IMAGE", Image: images.RabbitMQ,
		Ports: []Port{{Variable: "RABBITMQ_PORT", Standard: "15672"}},
	}
}
