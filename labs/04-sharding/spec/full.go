package spec

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// scale is the size of a move, and the time limits that go with it.
type scale struct {
	size    seed.Size
	machine instance.Type // of the servers of user data
	// startTime bounds the start of the servers. phaseTime bounds the wait for a phase, or for
	// the end of a mover.
	// checkTime bounds the whole check. All three are far longer than usual.
	startTime, phaseTime, checkTime time.Duration
}

// early is ByteBites before it grew. Its move takes seconds.
func early() scale {
	return scale{
		size: seed.Early(), machine: userDataType(),
		startTime: 4 * time.Minute, phaseTime: 45 * time.Second, checkTime: 5 * time.Minute,
	}
}

// full is the present size of ByteBites. The pre-flight check refuses a smaller machine, because the
// data does not fit into its memory.
func full() scale {
	return scale{
		size: seed.Full(), machine: instance.Medium(),
		startTime: 15 * time.Minute, phaseTime: 20 * time.Minute, checkTime: time.Hour,
	}
}

// Full returns the long run: ByteBites at its full size is moved while subscribers write, and
// the mover is killed in every phase.
func Full(subject Subject) lab.Lab {
	l := newTrial(subject, full())
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: l.stages(),
		Checks: []lab.Check{
			{Name: "migration", Kind: lab.Core, Step: 6, Needs: []string{subscribers, links}, Timeout: l.scale.checkTime, Run: l.migration,
				Proves: "100,000 subscribers and a million orders are moved while subscribers write; the mover is killed in every phase, and no write is lost"},
			{Name: "placement", Kind: lab.Core, Step: 6, Needs: []string{"migration"}, Timeout: l.scale.checkTime, Run: l.placement,
				Proves: "all rows of a subscriber are on one shard, the shard of their bucket"},
		},
	}
}
