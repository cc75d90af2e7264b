package horizontal_test

import (
	"strings"
	"testing"

	"bytebites.example/workshop/labs/02-horizontal/answer"
	"bytebites.example/workshop/labs/02-horizontal/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/02-horizontal"
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
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestAnswers(t *testing.T) {
	variant := func(name string) spec.Subject {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		return s
	}
	// but changes one thing in a subject's nginx.conf.
	but := func(s spec.Subject, from, to string) frame.Lab {
		t.Helper()
		conf := string(s.Nginx)
		if strings.Count(conf, from) != 1 {
			t.Fatalf("%q is not once in nginx.conf", from)
		}
		s.Nginx = []byte(strings.Replace(conf, from, to, 1))
		return spec.Lab(s)
	}
	const (
		list   = "include /etc/nginx/upstreams.conf;"
		method = "least_conn;"
		retry  = "proxy_next_upstream error timeout;"
	)
	copies := solution()
	copies.Answers.Recommendations = answer.Part{Is: answer.Stateful, Because: answer.OnlyHere}
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		{
			Name: "copies-are-state", Check: "stateless", Lab: spec.Lab(copies),
			Why: "what keeps something in memory keeps state, and the recommender keeps the whole menu",
		},
		{
			Name: "ip-hash", Check: "any session", Lab: but(variant(wrong.MemorySessions), method, "ip_hash;"),
			Why: "if everybody always gets the same replica, sessions can stay where they are",
			// All come from one address here, as they do from an office; and the logins of a dead
			// replica are gone with it.
			Also: []string{"spread", "replica killed", "logins survive", "rolling restart", "old sessions", "slow replica"},
		},
		{
			Name: wrong.RememberedLogins, Check: "any session", Lab: spec.Lab(variant(wrong.RememberedLogins)),
			Why: "the table is shared now, and a small cache in front of it saves a query for each request",
			// The contract lets people sign out at the replica that signed them in.
		},
		{
			Name: "listed-thrice", Check: "spread", Lab: but(solution(), list, strings.Repeat("server replica-1:8080;", replicas)),
			Why: "three lines, three servers: copied, and the number not changed",
			// With that one gone there is nobody, and nothing reads the list.
			Also: []string{"replica killed", "logins survive", "rolling restart", "not ready", "slow replica"},
		},
		{
			Name: "names-by-hand", Check: "not ready",
			Lab: but(solution(), list, "server replica-1:8080; server replica-2:8080; server replica-3:8080;"),
			Why: "the replicas have names, and the list hardly ever changes",
			// nginx looks names up when it reads its configuration, and that of the dead is unknown.
			Also: []string{"replica killed", "sent once", "rolling restart"},
		},
		{
			Name: "resend-posts", Check: "sent once", Lab: but(solution(), retry, "proxy_next_upstream error timeout non_idempotent;"),
			Why: "orders carry a key, so nginx may as well send every POST again",
		},
		{
			Name: wrong.YesWhileLeaving, Check: "not ready", Lab: spec.Lab(variant(wrong.YesWhileLeaving)),
			Why: "it still answers, so it is ready, and the delay gives clients time to finish",
			// What is sent to the port in the moment in which it closes may be lost.
			Also: []string{"rolling restart"},
		},
		{
			Name: wrong.LeavesAtOnce, Check: "not ready", Lab: spec.Lab(variant(wrong.LeavesAtOnce)),
			Why:  "Shutdown is graceful: it finishes what is under way, which is all that there seems to be",
			Also: []string{"rolling restart"},
		},
	}})
}

// replicas is how many there are.
const replicas = 3
