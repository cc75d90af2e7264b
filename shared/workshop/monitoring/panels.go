// Package monitoring is the table of panels that show what ByteBites does. Two pages are made from it, the console page of
// Prometheus and a Grafana dashboard, and so is the table in docs/monitoring.md. Tests compare all three with the table.
package monitoring

// Unit says how a panel shows its numbers.
type Unit string

// The units.
const (
	PerSecond   Unit = "/s"
	Share       Unit = "%" // the query returns 1 for 100 %
	Seconds     Unit = "s"
	Bytes       Unit = "B"
	BytesPerSec Unit = "B/s"
	Count       Unit = ""
	Dollars     Unit = "$"
)

// Panel is a chart with one query.
type Panel struct {
	Title string
	Unit  Unit
	Query string // PromQL
	// Legend names a line of the chart: {{label}} stands for the value of a label.
	Legend string
	// Reading is one sentence on how to read the panel.
	Reading string
	// Servers are the services of docker-compose.yml without which the panel is empty. One of them is enough.
	Servers []string
	// CloudWatch and Datadog are the names of the same quantity there. A name is empty if they have
	// no such metric.
	CloudWatch, Datadog string
}

// Section is a group of panels with a heading.
type Section struct {
	Title  string
	Panels []Panel
}

// window is the time over which a rate is taken. It holds four scrapes of an exporter.
const window = "[20s]"

// users selects the requests of users: those of Prometheus and of health checks are left out.
const users = `route!~"/metrics|/readyz|/healthz"`

// web are the services that answer the requests of subscribers.
func web() []string { return []string{"service", "replica-1"} }

// Sections returns the panels.
func Sections() []Section {
	return []Section{
		{"Requests", []Panel{
			{
				Title: "Throughput", Unit: PerSecond, Legend: "requests", Servers: web(),
				Query:      "sum(rate(http_request_duration_seconds_count{" + users + "}" + window + "))",
				Reading:    "How many requests the service answers. Under overload it stops rising while clients send more.",
				CloudWatch: "AWS/ApplicationELB RequestCount", Datadog: "trace.http.request.hits",
			},
			{
				Title: "Errors", Unit: Share, Legend: "status 500 and above", Servers: web(),
				Query: `(sum(rate(http_request_duration_seconds_count{status=~"5..", ` + users + `}` + window + `)) or vector(0)) / ` +
					"sum(rate(http_request_duration_seconds_count{" + users + "}" + window + "))",
				Reading:    "The share of requests that fail. The objective is below 1 %.",
				CloudWatch: "AWS/ApplicationELB HTTPCode_Target_5XX_Count", Datadog: "trace.http.request.errors",
			},
			{
				Title: "Latency, 95th percentile", Unit: Seconds, Legend: "p95", Servers: web(),
				Query:      "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{" + users + "}" + window + ")))",
				Reading:    "95 of 100 requests are faster than this. The objective is 200 ms.",
				CloudWatch: "AWS/ApplicationELB TargetResponseTime (p95)", Datadog: "trace.http.request (p95)",
			},
			{
				Title: "Latency, mean by route", Unit: Seconds, Legend: "{{route}}", Servers: web(),
				Query:      "sum by (route) (rate(http_request_duration_seconds_sum{" + users + "}" + window + ")) / (sum by (route) (rate(http_request_duration_seconds_count{" + users + "}" + window + ")) > 0)",
				Reading:    "The route with the highest line is the first to look at.",
				CloudWatch: "AWS/ApplicationELB TargetResponseTime (Average)", Datadog: "trace.http.request (avg by resource_name)",
			},
			{
				Title: "Requests in flight", Unit: Count, Legend: "{{instance}}", Servers: web(),
				Query:      "sum by (instance) (http_requests_in_flight)",
				Reading:    "Throughput times latency. When it rises without end, requests come faster than they are answered.",
				CloudWatch: "AWS/ApplicationELB ActiveConnectionCount", Datadog: "nginx.net.writing",
			},
			{
				Title: "Steps of an order", Unit: Count, Legend: "{{step}}", Servers: web(),
				Query:   "sum by (step) (rate(bytebites_order_step_seconds_sum" + window + "))",
				Reading: "How many orders are in each step at the same time. The highest line is what orders wait for.",
				Datadog: "trace.<span of the step>.duration",
			},
		}},
		{"Containers", []Panel{
			{
				Title: "CPU", Unit: Share, Legend: "{{service}}", Servers: []string{"engine-stats"},
				Query:      "max by (service) (container:cpu_quota_used:ratio)",
				Reading:    "The share of its CPU quota that a container uses. Above 90 % it is saturated.",
				CloudWatch: "AWS/ECS CPUUtilization", Datadog: "container.cpu.usage / container.cpu.limit",
			},
			{
				Title: "CPU throttling", Unit: PerSecond, Legend: "{{service}}", Servers: []string{"engine-stats"},
				Query:   "sum by (service) (rate(container_cpu_cfs_throttled_periods_total" + window + "))",
				Reading: "Of ten quota periods a second, those in which the container stood still until the next one.",
				Datadog: "container.cpu.throttled.periods",
			},
			{
				Title: "Memory", Unit: Share, Legend: "{{service}}", Servers: []string{"engine-stats"},
				Query:      "max by (service) (container_memory_working_set_bytes / container_spec_memory_limit_bytes)",
				Reading:    "The share of its memory that a container needs. At 100 % the kernel kills it.",
				CloudWatch: "AWS/ECS MemoryUtilization", Datadog: "container.memory.usage / container.memory.limit",
			},
			{
				Title: "Network", Unit: BytesPerSec, Legend: "{{service}}", Servers: []string{"engine-stats"},
				Query:      "sum by (service) (rate(container_network_receive_bytes_total" + window + ") + rate(container_network_transmit_bytes_total" + window + "))",
				Reading:    "Bytes that a container receives and sends.",
				CloudWatch: "ECS/ContainerInsights NetworkRxBytes, NetworkTxBytes", Datadog: "container.net.rcvd, container.net.sent",
			},
			{
				Title: "Disk", Unit: BytesPerSec, Legend: "{{service}}", Servers: []string{"engine-stats"},
				Query:      "sum by (service) (rate(container_fs_reads_bytes_total" + window + ") + rate(container_fs_writes_bytes_total" + window + "))",
				Reading:    "Bytes that reach the disk. Reads that the cache of the kernel answers are not among them.",
				CloudWatch: "AWS/EBS VolumeReadBytes, VolumeWriteBytes", Datadog: "container.io.read, container.io.write",
			},
		}},
		{"PostgreSQL", []Panel{
			{
				Title: "Connections", Unit: Count, Legend: "{{instance}}", Servers: []string{"postgres"},
				Query:      "sum by (instance) (pg_stat_database_numbackends)",
				Reading:    "Open connections of each server. Each one costs memory, and there are at most max_connections.",
				CloudWatch: "AWS/RDS DatabaseConnections", Datadog: "postgresql.connections",
			},
			{
				Title: "Waiting for a connection", Unit: Count, Legend: "{{db_name}}", Servers: web(),
				Query:   "sum by (db_name) (rate(go_sql_wait_duration_seconds_total" + window + "))",
				Reading: "How many callers wait for a connection of the service's pool. Above 1, the pool is too small or a query too slow.",
				Datadog: "pgbouncer.pools.cl_waiting",
			},
			{
				Title: "Transactions", Unit: PerSecond, Legend: "{{instance}}", Servers: []string{"postgres"},
				Query:      "sum by (instance) (rate(pg_stat_database_xact_commit" + window + "))",
				Reading:    "Committed transactions of each server. With shards, the lines of the shards are equally high.",
				CloudWatch: "AWS/RDS db.Transactions.xact_commit (Performance Insights)", Datadog: "postgresql.commits",
			},
			{
				Title: "Query time", Unit: Seconds, Legend: "{{instance}}", Servers: []string{"postgres"},
				Query: "sum by (instance) (rate(pg_stat_database_active_time_seconds_total" + window + ")) / " +
					"(sum by (instance) (rate(pg_stat_database_xact_commit" + window + ")) > 0)",
				Reading:    "Time that PostgreSQL works on one transaction. It rises with missing indexes and with a saturated CPU.",
				CloudWatch: "AWS/RDS DBLoad", Datadog: "postgresql.sessions.active_time",
			},
			{
				Title: "IOPS", Unit: PerSecond, Legend: "{{instance}}", Servers: []string{"postgres"},
				Query:      "sum by (instance) (rate(pg_stat_database_blks_read" + window + "))",
				Reading:    "Blocks of 8 KiB that are not in the buffers of PostgreSQL. The cache of the kernel may still have them.",
				CloudWatch: "AWS/RDS ReadIOPS", Datadog: "postgresql.disk_read",
			},
		}},
		{"nginx", []Panel{
			{
				Title: "Requests at the balancer", Unit: PerSecond, Legend: "nginx", Servers: []string{"nginx"},
				Query:      "rate(nginx_http_requests_total" + window + ")",
				Reading:    "Requests that reach nginx. If the replicas answer fewer, nginx fails the others.",
				CloudWatch: "AWS/ApplicationELB RequestCount", Datadog: "nginx.net.request_per_s",
			},
			{
				Title: "Connections at the balancer", Unit: Count, Legend: "nginx", Servers: []string{"nginx"},
				Query:      "nginx_connections_active",
				Reading:    "Open connections of clients.",
				CloudWatch: "AWS/ApplicationELB ActiveConnectionCount", Datadog: "nginx.net.connections",
			},
		}},
		{"Redis", []Panel{
			{
				Title: "Hit ratio", Unit: Share, Legend: "{{instance}}", Servers: []string{"redis"},
				Query:      "rate(redis_keyspace_hits_total" + window + ") / (rate(redis_keyspace_hits_total" + window + ") + rate(redis_keyspace_misses_total" + window + "))",
				Reading:    "The share of lookups that Redis answers. PostgreSQL answers the others.",
				CloudWatch: "AWS/ElastiCache CacheHitRate", Datadog: "redis.stats.keyspace_hits, redis.stats.keyspace_misses",
			},
			{
				Title: "Memory of Redis", Unit: Share, Legend: "{{instance}}", Servers: []string{"redis"},
				Query:      "redis_memory_used_bytes / (redis_memory_max_bytes > 0)",
				Reading:    "At 100 % of maxmemory, Redis evicts a key for each new one.",
				CloudWatch: "AWS/ElastiCache DatabaseMemoryUsagePercentage", Datadog: "redis.mem.used / redis.mem.maxmemory",
			},
			{
				Title: "Evictions", Unit: PerSecond, Legend: "{{instance}}", Servers: []string{"redis"},
				Query:      "rate(redis_evicted_keys_total" + window + ")",
				Reading:    "Keys that Redis deletes to make room. A few are normal; many with a low hit ratio mean too little memory.",
				CloudWatch: "AWS/ElastiCache Evictions", Datadog: "redis.keys.evicted",
			},
			{
				Title: "Clients of Redis", Unit: Count, Legend: "{{instance}}", Servers: []string{"redis"},
				Query:      "redis_connected_clients",
				Reading:    "Open connections. It rises when Redis is slow, because each caller then opens another one.",
				CloudWatch: "AWS/ElastiCache CurrConnections", Datadog: "redis.net.clients",
			},
		}},
		{"RabbitMQ", []Panel{
			{
				Title: "Outbox lag", Unit: Seconds, Legend: "{{server}}", Servers: []string{"relay"},
				Query:      "max by (server) (bytebites_outbox_oldest_seconds)",
				Reading:    "Age of the oldest event that the relay has not published. It rises while RabbitMQ or the relay is down.",
				CloudWatch: "AWS/DMS CDCLatencySource", Datadog: "aws.dms.cdclatency_source",
			},
			{
				Title: "Backlog", Unit: Count, Legend: "{{queue}}", Servers: []string{"rabbitmq"},
				Query:      `sum by (queue) (rabbitmq_detailed_queue_messages_ready{queue!="events"})`,
				Reading:    "Messages that wait for a worker. It falls after a rush, or there are too few workers.",
				CloudWatch: "AWS/AmazonMQ MessageReadyCount", Datadog: "rabbitmq.queue.messages_ready",
			},
			{
				Title: "Age of effects, 95th percentile", Unit: Seconds, Legend: "{{queue}}", Servers: []string{"worker"},
				Query:      "histogram_quantile(0.95, sum by (le, queue) (rate(bytebites_message_age_seconds_bucket[1m])))",
				Reading:    "Time from an order until its mail, its booking and its new plan are done.",
				CloudWatch: "AWS/SQS ApproximateAgeOfOldestMessage", Datadog: "aws.sqs.approximate_age_of_oldest_message",
			},
			{
				Title: "Events published", Unit: PerSecond, Legend: "{{outcome}}", Servers: []string{"relay"},
				Query:      "sum by (outcome) (rate(bytebites_events_published_total" + window + "))",
				Reading:    "Outcome `returned` is an event that reached no queue.",
				CloudWatch: "AWS/AmazonMQ PublishRate", Datadog: "rabbitmq.queue.messages.publish.rate",
			},
			{
				Title: "Messages handled", Unit: PerSecond, Legend: "{{queue}} {{outcome}}", Servers: []string{"worker"},
				Query:      "sum by (queue, outcome) (rate(bytebites_messages_handled_total" + window + "))",
				Reading:    "Outcome `duplicate` is a message that came twice and had its effect once.",
				CloudWatch: "AWS/AmazonMQ AckRate", Datadog: "rabbitmq.queue.messages.ack.rate",
			},
			{
				Title: "Memory of RabbitMQ", Unit: Bytes, Legend: "{{instance}}", Servers: []string{"rabbitmq"},
				Query:      "sum by (instance) (rabbitmq_process_resident_memory_bytes)",
				Reading:    "Above its limit of 512 MiB, RabbitMQ blocks all publishers.",
				CloudWatch: "AWS/AmazonMQ RabbitMQMemUsed", Datadog: "rabbitmq.node.mem_used",
			},
		}},
		{"Cost", []Panel{
			{
				Title: "CPU that is paid for", Unit: Share, Legend: "used of paid", Servers: web(),
				Query:   "web:cpu_used:cores / web:cpu_paid:cores",
				Reading: "The web tier pays for its quota, used or not. Far below 60 %, a smaller size would do.",
				Datadog: "container.cpu.usage / container.cpu.limit",
			},
			{
				Title: "Price of an hour", Unit: Dollars, Legend: "web tier", Servers: web(),
				Query:      "web:cpu_paid:cores * scalar(bytebites_core_price_dollars_per_hour)",
				Reading:    "Price of the web tier by the invented prices of the instance types.",
				CloudWatch: "AWS/Billing EstimatedCharges", Datadog: "aws.billing.estimated_charges",
			},
			{
				Title: "Price of a million requests", Unit: Dollars, Legend: "web tier", Servers: web(),
				Query:   "web:cpu_paid:cores * scalar(bytebites_core_price_dollars_per_hour) / (sum(rate(http_request_duration_seconds_count{" + users + "}[1m])) * 3600 > 0) * 1e6",
				Reading: "It falls as the same machines answer more. It is empty while no request comes.",
			},
			{
				Title: "Alerts", Unit: Count, Legend: "{{alertname}}", Servers: []string{"prometheus"},
				Query:      `sum by (alertname) (ALERTS{alertstate="firing"}) or vector(0)`,
				Reading:    "Alerts that fire now.",
				CloudWatch: "alarms in state ALARM", Datadog: "monitors in state Alert",
			},
		}},
	}
}

// Panels returns the panels of all sections.
func Panels() []Panel {
	var all []Panel
	for _, s := range Sections() {
		all = append(all, s.Panels...)
	}
	return all
}
