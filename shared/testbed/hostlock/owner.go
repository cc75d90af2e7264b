package hostlock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The labels of every container and network that the workshop starts.
const (
	// LabelWorkshop marks containers and networks of the workshop; its value is "1".
	LabelWorkshop = "bytebites.workshop"
	// LabelPID is the process id of the owner.
	LabelPID = "bytebites.owner.pid"
	// LabelStart is when the owner started. A later process may get the same id, but has
	// another start.
	LabelStart = "bytebites.owner.start"
	// LabelBoot names the boot of the operating system in which LabelPID and LabelStart hold.
	LabelBoot = "bytebites.owner.boot"
	// LabelNamespace names the process id namespace. Two containers that share an engine
	// both have a process 1.
	LabelNamespace = "bytebites.owner.pidns"
	// LabelHost names the machine, because an engine may serve several machines.
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

// identity is the scope in which a process id is unique.
type identity struct {
	host, boot, namespace string
}

// Owner returns labels that name this process as the owner. A value that cannot be read is
// an empty label. Alive then returns true, so that a sweep never removes a thing whose owner
// is not known.
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

// Owned reports whether labels name a process of the workshop as the owner.
func Owned(labels map[string]string) bool {
	return labels[LabelWorkshop] == "1" && labels[LabelPID] != ""
}

// Alive reports whether the owner that labels name may still be running. It is false only
// when the owner has certainly ended. An owner on another machine or in another process id
// namespace counts as alive, and so does one whose labels cannot be read.
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
		return false // the machine has been restarted
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

// hostName joins the machine's name and its stable id, because clones of a virtual machine
// often share the id.
func hostName(id string) string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", name, strings.TrimSpace(id)))
}
