package spec

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// scale is how much is moved, between which machines, and how long a mover may take for what
// it was started for: far longer than one that works.
type scale struct {
	size     seed.Size
	machine  instance.Type
	moveTime time.Duration
}

// early is ByteBites before it grew, which can be moved while somebody waits.
func early() scale {
	return scale{size: seed.Early(), machine: userDataType(), moveTime: 45 * time.Second}
}

// full is ByteBites as it is today. A smaller machine has not the memory for it, and the
// pre-flight would say so.
func full() scale {
	return scale{size: seed.Full(), machine: instance.Medium(), moveTime: 20 * time.Minute}
}

// Full returns the long run: ByteBites at its full size is moved while people write, with the
// mover killed in every phase, and everything is counted before and after.
func Full(subject Subject) lab.Lab {
	l := &trial{subject: subject, scale: full()}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers and your service", Start: l.prepare}},
		Checks: []lab.Check{
			{Name: "migration", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.migration,
				Proves: "100,000 subscribers and a million orders are moved while people write, the mover is killed in every phase, and nothing is lost"},
			{Name: "placement", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.placement,
				Proves: "all rows of a subscriber are on one shard, the one of their bucket"},
		},
	}
}
