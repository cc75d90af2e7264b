package hostlock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The labels that everything started by the workshop carries.
const (
	// LabelWorkshop marks what is ours; its value is "1".
	LabelWorkshop = "bytebites.workshop"
	// LabelPID is the process id of the owner.
	LabelPID = "bytebites.owner.pid"
	// LabelStart is when the owner started. It tells a process from a later one that
	// was given the same id.
	LabelStart = "bytebites.owner.start"
	// LabelBoot names the run of the operating system that the two above belong to.
	LabelBoot = "bytebites.owner.boot"
	// LabelNamespace names the process id namespace: on one machine, two containers
	// that share an engine both have a process 1.
	LabelNamespace = "bytebites.owner.pidns"
	// LabelHost names the machine: an engine may serve several.
	LabelHost = "bytebites.owner.host"
)

// Labels are Docker labels.
type Labels map[string]string

// Merge returns a copy of l with the labels of more added to it.
func (l Labels) Merge(more map[string]string) Labels {
	merged := make(Labels, len(l)+len(more))
	for k, v := range l {
		merged[k] = v
	}
	for k, v := range more {
		merged[k] = v
	}
	return merged
}

// identity is what tells processes apart.
type identity struct {
	host, boot, namespace string
}

// Owner returns labels that name this process as the owner. An error is not returned
// but kept in the labels as an empty value, which Alive reads as "cannot know": what
// cannot be judged is never swept.
func Owner() Labels {
	pid := os.Getpid()
	start, err := startTime(pid)
	if err != nil {
		start = ""
	}
	here := whereami()
	return Labels{
		LabelWorkshop:  "1",
		LabelPID:       strconv.Itoa(pid),
		LabelStart:     start,
		LabelBoot:      here.boot,
		LabelNamespace: here.namespace,
		LabelHost:      here.host,
	}
}

// Owned reports whether labels mark a thing that a workshop process owns.
func Owned(labels map[string]string) bool {
	return labels[LabelWorkshop] == "1" && labels[LabelPID] != ""
}

// Alive reports whether the owner that labels name may still be running. Only a
// certain death is reported as false: the owner of another machine, of another process
// id namespace or of labels that cannot be read counts as alive.
func Alive(labels map[string]string) bool {
	return alive(labels, whereami(), startTime)
}

func alive(labels map[string]string, here identity, startTime func(pid int) (string, error)) bool {
	if !Owned(labels) || labels[LabelHost] == "" || labels[LabelHost] != here.host {
		return true
	}
	if labels[LabelBoot] == "" || labels[LabelStart] == "" || here.boot == "" {
		return true
	}
	if labels[LabelBoot] != here.boot {
		return false // the machine was restarted since
	}
	if labels[LabelNamespace] != here.namespace {
		return true
	}
	pid, err := strconv.Atoi(labels[LabelPID])
	if err != nil || pid <= 0 {
		return true
	}
	start, err := startTime(pid)
	if err != nil {
		return !isNoProcess(err)
	}
	return start == labels[LabelStart]
}

// hostName is the machine's stable id with its name, since clones of one virtual
// machine often share the id.
func hostName(id string) string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", name, strings.TrimSpace(id)))
}
