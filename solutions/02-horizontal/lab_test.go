package horizontal_test

import (
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/labs/02-horizontal/answer"
	"bytebites.example/workshop/labs/02-horizontal/spec"
	"bytebites.example/workshop/shared/bytebites/service"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/02-horizontal/right"
	"bytebites.example/workshop/solutions/02-horizontal/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   horizontal.Files(),
		Answers: horizontal.Answers(),
		Nginx:   horizontal.NginxConf(),
		Package: "./solutions/service",
		Args:    []string{"--through", "02"},
		Apply:   horizontal.Apply,
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

// variant is the solution with one part of it changed, in the service and in this process.
func variant(all map[string]func(*service.Composition), name string) spec.Subject {
	s := solution()
	s.Args = append(s.Args, "--variant", name)
	s.Apply = func(c *service.Composition) {
		horizontal.Apply(c)
		all[name](c)
	}
	return s
}

// Pieces of the solution's nginx.conf.
const (
	list    = "include /etc/nginx/upstreams.conf;"
	method  = "least_conn;"
	retry   = "proxy_next_upstream error timeout;"
	connect = "proxy_connect_timeout 500ms;"
	read    = "proxy_read_timeout 15s;"
	host    = "proxy_set_header Host $http_host;"
	server  = "listen 80;"
	private = "location = /metrics {"
	pass    = "proxy_pass http://bytebites;"
)

// but changes pieces of a subject's nginx.conf, given in pairs: the old and the new.
func but(t *testing.T, s spec.Subject, pieces ...string) frame.Lab {
	t.Helper()
	conf := string(s.Nginx)
	for i := 0; i < len(pieces); i += 2 {
		if strings.Count(conf, pieces[i]) != 1 {
			t.Fatalf("%q is not once in nginx.conf", pieces[i])
		}
		conf = strings.Replace(conf, pieces[i], pieces[i+1], 1)
	}
	s.Nginx = []byte(conf)
	return spec.Lab(s)
}

func TestAnswers(t *testing.T) {
	copies := solution()
	copies.Answers.Recommendations = answer.Part{Is: answer.Stateful, Because: answer.OnlyHere}
	unanswered := solution()
	unanswered.Answers = answer.Sheet{}
	wrongs := []frame.Wrong{{
		Name: "parts-unanswered", Flaw: 1, Check: "stateless", Lab: spec.Lab(unanswered),
		Why: "until now the service has one process, so it does not matter what it keeps in memory",
	}, {
		Name: "copies-are-state", Check: "stateless", Lab: spec.Lab(copies),
		Why: "what keeps something in memory keeps state, and the recommender keeps the whole menu",
	}}
	wrongs = slices.Concat(wrongs, wrongSessions(t), wrongNginx(t), wrongShutdown())
	labtest.Answers(t, frame.Answers{Wrong: wrongs, Right: rights(t)})
}

func wrongSessions(t *testing.T) []frame.Wrong {
	code := func(name, check, why string, also ...string) frame.Wrong {
		return frame.Wrong{Name: name, Check: check, Why: why, Also: also, Lab: spec.Lab(variant(wrong.Variants(), name))}
	}
	return []frame.Wrong{
		{
			Name: "ip-hash", Check: "any session", Lab: but(t, variant(wrong.Variants(), wrong.MemorySessions), method, "ip_hash;"),
			Why: "if everybody always gets the same replica, sessions can stay where they are",
			// All clients have one address here, as in an office.
			Also: []string{"session store", "spread"},
		},
		{
			Name: "memory-sessions-alone", Flaw: 2, Check: "any session", Lab: spec.Lab(variant(wrong.Variants(), wrong.MemorySessions)),
			Why:  "sessions are small, and memory is the fastest place for them",
			Also: []string{"session store", "contract", "client addresses"},
		},
		code(wrong.RememberedLogins, "session store", "the table is shared now, and a small cache in front of it saves a query for each request",
			// The contract lets people sign out at the replica that signed them in.
			"any session"),
		code(wrong.FirstStays, "session store", "a token is random, so a conflict never happens and needs no update"),
		code(wrong.AnyErrorIsGone, "session store", "whatever goes wrong, the subscriber has no session that can be used"),
		code(wrong.LostConnections, "session store", "the rows are read to the end, so there seems to be nothing to close",
			"any session", "contract", "replica killed", "logins survive", "rolling restart"),
		code(wrong.WorksForNobody, "session store", "a query that has begun may as well end"),
		code(wrong.OwnExpiry, "session store", "the database has the clock that all agree on, so it may as well say when a session ends", "one clock", "old sessions"),
		code(wrong.EmptyAtStart, "session store", "a new version starts with a clean table, and people sign in again", "replica killed", "logins survive", "rolling restart"),
		code(wrong.SweepsAtStart, "session store", "nobody is signed in by an expired session, so a start is a good moment to remove them all"),
		code(wrong.RemovesForAll, "session store", "the removal helps all, so it need not end with one request"),
		code(wrong.LosesFailed, "session store", "a transaction that failed has done nothing, so there is nothing to roll back"),
		code(wrong.PreparedOnce, "session store", "a prepared query saves the database work"),
		code(wrong.OneQueryAtATime, "session store", "a mutex makes a type safe for many calls at once"),
		code(wrong.MemoryWhenAway, "session store", "people stay signed in while the database is away"),
		code(wrong.BothClocks, "one clock", "it does no harm to look at the time once more"),
		code(wrong.HourOfGrace, "old sessions", "an hour's margin protects live sessions from a wrong clock"),
		code(wrong.EverySecond, "old sessions", "it removes more than ten for each sign-in, on average"),
		code(wrong.LimitFirst, "old sessions", "ten rows are looked at, and those that have expired are removed"),
		code(wrong.GivesUpLocked, "old sessions", "NOWAIT never waits, and the next sign-in removes the rows"),
		code(wrong.DeletesByUser, "session store", "who signs out wants to be signed out, on every device", "contract", "any session"),
		code(wrong.DeleteLater, "session store", "nobody has to wait for a row to be deleted", "contract", "any session"),
		code(wrong.ReplicaClock, "one clock", "the statement gets the time as it gets every other value"),
		code(wrong.CleanupClock, "one clock", "the sessions to remove are chosen by the time of the replica that removes them"),
		code(wrong.ExpiredCount, "one clock", "the API compares the expiry itself, so the query need not"),
		code(wrong.NeverRemoved, "old sessions", "an expired row does no harm, because Session does not return it"),
		code(wrong.AllRemoved, "old sessions", "one statement removes them all, and the table is small"),
		code(wrong.WaitsForOthers, "old sessions", "ten rows are few, so two sign-ins will hardly meet"),
	}
}

func wrongNginx(t *testing.T) []frame.Wrong {
	conf := func(name, check, why string, pieces []string, also ...string) frame.Wrong {
		return frame.Wrong{Name: name, Check: check, Why: why, Also: also, Lab: but(t, solution(), pieces...)}
	}
	// A second block for some paths, without or with lines of its own.
	block := func(location, lines string) []string {
		return []string{private, location + " { " + pass + " proxy_http_version 1.1; proxy_set_header Connection \"\"; " + connect + " " + read + " " + lines + " }\n" + private}
	}
	// flaw is the solution with the starter's lines of a step.
	flaw := func(step int, w frame.Wrong) frame.Wrong {
		w.Flaw = step
		return w
	}
	return []frame.Wrong{
		flaw(3, conf("one-by-name", "spread", "with one replica its name was enough", []string{list, "server replica-1:8080;"})),
		flaw(4, conf("no-failover", "read again", "nginx should not hide an error, and its timeouts will be sensible",
			[]string{retry, "proxy_next_upstream off;", connect, "", read, ""}, "silent machine", "bounded waits", "replica killed")),
		conf("listed-thrice", "spread", "three lines, three servers: copied, and the number not changed",
			[]string{list, strings.Repeat("server replica-1:8080;", replicas)},
			// When that replica is gone, no other is left, and nginx reads no list.
			"replica killed", "logins survive", "rolling restart", "not ready", "slow replica"),
		conf("names-by-hand", "listed only", "the replicas have names, and the list hardly ever changes",
			[]string{list, "server replica-1:8080; server replica-2:8080; server replica-3:8080;"},
			// nginx looks names up when it reads its configuration, and that of the dead is unknown.
			"replica killed", "not ready", "rolling restart"),
		conf("list-and-names", "spread", "should the list be empty once, there is still a replica to ask",
			[]string{list, list + " server replica-3:8080;"}, "listed only", "not ready", "replica killed", "rolling restart"),
		conf("host-without-port", "unchanged", "$host is the usual name of the host in nginx.conf", []string{host, "proxy_set_header Host $host;"}),
		conf("host-of-the-upstream", "unchanged", "the replicas know their own name best", []string{host, ""}),
		conf("host-lost-in-a-location", "unchanged", "orders get a location of their own, and the headers of the other seem to hold there too",
			block("location /orders", retry)),
		conf("origin-removed", "unchanged", "the service refuses orders when the origin differs, so nginx leaves it out",
			[]string{host, host + " proxy_set_header Origin \"\";"}),
		conf("request-ids-of-nginx", "unchanged", "nginx sees each request first, so it may name it", []string{host, host + " proxy_set_header X-Request-Id $request_id;"}, "client addresses"),
		conf("decoded-paths", "unchanged", "a slash behind the upstream is what many examples have", []string{pass, "proxy_pass http://bytebites/;"}),
		conf("compressed", "unchanged", "compressed answers need less of the network",
			[]string{pass, pass + " gzip on; gzip_types *; gzip_min_length 20; gzip_proxied any;"}),
		conf("cached-by-browsers", "unchanged", "a browser that keeps a page for a minute asks less", []string{pass, pass + " expires 1m;"}),
		conf("hides-retry-after", "unchanged", "the fewer headers, the less an attacker learns", []string{pass, pass + " proxy_hide_header Retry-After;"}),
		conf("redirects-elsewhere", "unchanged", "nginx puts the name of the shop into each redirect", []string{pass, pass + " proxy_redirect / /shop/;"}),
		conf("bodies-below-62k", "unchanged", "no order comes near the limit of the API", []string{server, server + " client_max_body_size 62k;"}),
		conf("small-bodies", "unchanged", "an order is small, and a limit keeps attackers out", []string{server, server + " client_max_body_size 8k;"}),
		conf("own-error-pages", "unchanged", "nginx has a page for every error", []string{pass, pass + " proxy_intercept_errors on; error_page 404 500 503 /errors;"}),
		conf("kept-answers", "unchanged", "a short cache takes the peak off the replicas", []string{
			"access_log off;", "access_log off; proxy_cache_path /tmp/answers keys_zone=answers:1m;",
			pass, pass + " proxy_cache answers; proxy_cache_valid 200 1s; proxy_ignore_headers Cache-Control Set-Cookie;",
		}, "spread", "any session", "contract", "logins survive", "not ready", "rolling restart", "replica killed", "slow replica"),
		conf("public-metrics", "private pages", "one location for all paths is the simplest",
			[]string{private, "location = /nginx-metrics {"}),
		conf("metrics-by-other-methods", "private pages", "metrics are read by GET",
			[]string{private, "location = /metrics { if ($request_method = GET) { return 404; } " + pass + " " + host + " " + connect + " " + read + " }\nlocation = /unused {"}),
		conf("metrics-by-another-name", "private pages", "the second name of the shop needs only the pages",
			[]string{"server {\n        listen 80;", "server { listen 80; server_name localhost; location / { " + pass + " " + host + " " + connect + " " + read + " } }\n    server {\n        listen 80 default_server;"}),
		conf("by-page", "spread", "each replica keeps its pages in memory, and 50 pages are enough to balance", []string{method, "hash $request_uri;"},
			"slow replica"),
		conf("writes-to-one", "spread", "one replica that gets all writes needs no locks between replicas",
			[]string{"server {\n        listen 80;", "upstream first { server replica-1:8080; }\n map $request_method $where { default bytebites; POST first; }\n server {\n        listen 80;",
				pass, "proxy_pass http://$where;"}, "listed only", "any session", "replica killed", "logins survive", "rolling restart", "not ready"),
		conf("static-files-of-one", "listed only", "files that never change need no balancing",
			[]string{"server {\n        listen 80;", "upstream first { server replica-1:8080; }\n server {\n        listen 80;",
				private, "location /static/ { proxy_pass http://first; " + host + " " + connect + " " + read + " }\n" + private},
			// nginx looks the name up when it reads its configuration.
			"replica killed", "not ready", "rolling restart"),
		conf("no-second-try", "read again", "a request that failed has failed; the client may ask again",
			[]string{retry, "proxy_next_upstream off;"}, "silent machine", "replica killed", "rolling restart"),
		conf("second-try-on-answers-only", "read again", "a gateway error is what a dead replica looks like",
			[]string{retry, "proxy_next_upstream http_502 http_503 http_504;"}, "silent machine", "replica killed", "rolling restart"),
		conf("default-connect-timeout", "silent machine", "nginx's own timeouts will be sensible", []string{connect, ""}, "bounded waits", "replica killed", "rolling restart"),
		conf("patient-connect-timeout", "silent machine", "five seconds are short for a connection", []string{connect, "proxy_connect_timeout 5s;"}, "bounded waits", "replica killed", "rolling restart"),
		conf("orders-wait-to-connect", "bounded waits", "an order must not fail too early", []string{private,
			"location = /orders { " + pass + " " + host + " " + read + " proxy_next_upstream off; }\n" + private}, "client addresses", "replica killed", "rolling restart"),
		conf("default-read-timeout", "bounded waits", "nginx's own timeouts will be sensible", []string{read, ""}),
		conf("hasty-read-timeout", "bounded waits", "an answer that takes longer than two seconds helps nobody", []string{read, "proxy_read_timeout 2s;"},
			"replica killed", "rolling restart", "contract", "slow replica"),
		conf("resend-posts", "sent once", "orders carry a key, so nginx may as well send every POST again",
			[]string{retry, "proxy_next_upstream error timeout non_idempotent;"}),
		conf("resend-orders", "sent once", "orders have an Idempotency-Key, so these may be sent again",
			block("location /orders", host+" proxy_next_upstream error timeout non_idempotent;"),
			"client addresses"),
		conf("resend-on-busy", "sent once", "a replica that answers 503 did nothing, so another may try", []string{
			pass, pass + " proxy_intercept_errors on; error_page 503 = @again;",
			private, "location @again { " + pass + " " + host + " " + connect + " " + read + " }\n" + private,
		}, "unchanged"),
	}
}

func wrongShutdown() []frame.Wrong {
	code := func(name, check, why string, also ...string) frame.Wrong {
		return frame.Wrong{Name: name, Check: check, Why: why, Also: also, Lab: spec.Lab(variant(wrong.Variants(), name))}
	}
	// flaw marks the starter's code of step 5.
	flaw := func(w frame.Wrong) frame.Wrong {
		w.Flaw = 5
		return w
	}
	return []frame.Wrong{
		code(wrong.ReadyWithoutDatabases, "readiness", "the process runs, so it is ready"),
		code(wrong.RemembersHealth, "readiness", "the databases need not be asked twice a second"),
		code(wrong.OneQuestionAtATime, "readiness", "a mutex protects the flag, and the method is short", "drain"),
		code(wrong.AnswersForEver, "readiness", "the health check should not fail because the balancer hangs up"),
		code(wrong.SlowIsReady, "readiness", "a slow database means load, and the replica itself is well"),
		code(wrong.SickLeavesAtOnce, "drain", "a replica that has said no gets no requests"),
		code(wrong.CountsAnswers, "drain", "it hears itself when the controller has two answers of no", "rolling restart"),
		code(wrong.LateNo, "drain", "the wait is long enough even if the news begins later"),
		code(wrong.LongDrain, "drain", "nine seconds and ten are less than the twenty until SIGKILL"),
		code(wrong.AllLeave, "drain", "a process has one lifecycle, so a variable of the package is enough"),
		code(wrong.OwnContext, "drain", "a fresh context has all the time that finish needs"),
		code(wrong.YesWhileLeaving, "not ready", "it still answers, so it is ready, and the delay gives clients time to finish",
			// What is sent to the port in the moment in which it closes may be lost.
			"drain", "rolling restart"),
		flaw(code(wrong.LeavesAtOnce, "drain", "Shutdown is graceful: it finishes what is under way, which is all that there seems to be",
			"rolling restart", "not ready")),
		code(wrong.NoAfterWaiting, "drain", "while it waits it takes requests, so it says that it is ready", "rolling restart", "not ready"),
		code(wrong.ShortDrain, "drain", "the controller asks twice a second, so a second must be enough", "rolling restart", "not ready"),
		code(wrong.EndlessDrain, "drain", "half a minute is what the cloud's balancer waits", "rolling restart", "not ready"),
		code(wrong.EndedContext, "drain", "a context with a timeout is the way to wait in Go"),
		code(wrong.ForgetsFinish, "drain", "the server is closed at the end of the process anyway", "rolling restart"),
		code(wrong.HidesCutOff, "drain", "the process ends, and nobody is left to read an error"),
	}
}

func rights(t *testing.T) []frame.Right {
	stores := []string{"session store", "one clock", "old sessions"}
	proxy := []string{"spread", "listed only", "unchanged", "private pages", "read again", "silent machine", "bounded waits", "sent once"}
	code := func(name, why string, checks ...string) frame.Right {
		return frame.Right{Name: name, Why: why, Checks: checks, Lab: spec.Lab(variant(right.Variants(), name))}
	}
	return []frame.Right{
		code(right.Transactions, "other statements, in a transaction, with times as texts and the largest removal allowed", stores...),
		code(right.LaterRemoval, "expired sessions go in the background, and times are seconds since 1970", stores...),
		code(right.ClosedDoor, "a channel in place of a flag, and a delay of just the lesson's sum", "readiness", "drain"),
		{
			Name: "by-chance", Why: "nginx chooses by chance, tries more and waits otherwise, and the settings are in other blocks", Checks: proxy,
			Lab: but(t, solution(),
				method, "random;", server, "listen *:80; proxy_read_timeout 30; proxy_connect_timeout 1s;", connect, "", read, "",
				retry, "proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;", "proxy_next_upstream_tries 2;", "",
				"proxy_set_header X-Forwarded-For $remote_addr;", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;",
				private, "location /metrics { deny all; }\n location = /unused {"),
		},
		{
			Name: "two-groups", Why: "reads and writes have an upstream block each, of the same list", Checks: proxy,
			Lab: but(t, solution(),
				"server {\n        listen 80;", "upstream writes { include /etc/nginx/upstreams.conf ; }\n map $request_method $group { default writes; GET bytebites; HEAD bytebites; }\n server {\n        listen 80;",
				pass, "proxy_pass http://$group;", "zone bytebites 128k;", ""),
		},
		{
			Name: "reads-and-writes-apart", Why: "writes are never sent again, not even unsent ones, and reads have a location of their own", Checks: proxy,
			Lab: but(t, solution(), retry, "proxy_next_upstream error timeout http_500; if ($request_method !~ ^(GET|HEAD)$) { return 418; }",
				private, "error_page 418 = @writes; location @writes { "+pass+" proxy_http_version 1.1; proxy_set_header Connection \"\"; "+host+
					" proxy_connect_timeout 500ms; proxy_read_timeout 10s; proxy_next_upstream off; }\n"+private),
		},
	}
}

// replicas is how many there are.
const replicas = 3
