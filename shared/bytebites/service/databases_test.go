package service

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

func TestPools(t *testing.T) {
	silent := func(most int, silence time.Duration) postgres.PoolConfig {
		return postgres.PoolConfig{MaxOpen: most, MaxIdle: most, ConnMaxLifetime: time.Hour, Silence: silence}
	}
	lasting := func(most int, silence time.Duration) postgres.PoolConfig {
		c := silent(most, silence)
		c.Lasting = true
		return c
	}
	ten, one := silent(10, 0), silent(1, 0)
	forever := lasting(3, databaseSilence)
	forever.ConnMaxLifetime = 0
	foreverShard := forever
	foreverShard.Silence = shardSilence
	for _, test := range []struct {
		name      string
		got, want pools
	}{
		{"api", apiPools(ten), pools{lasting(10, databaseSilence), lasting(3, databaseSilence), lasting(3, shardSilence)}},
		{"api without a bound", apiPools(postgres.PoolConfig{}), pools{postgres.PoolConfig{Silence: databaseSilence, Lasting: true}, forever, foreverShard}},
		{"api with a pool of one", apiPools(one), pools{lasting(1, databaseSilence), lasting(1, databaseSilence), lasting(1, shardSilence)}},
		{"parts", partsPools(ten), pools{lasting(10, databaseSilence), lasting(3, databaseSilence), lasting(2, roleSilence)}},
		{"parts with a pool of one", partsPools(one), pools{lasting(1, databaseSilence), lasting(1, databaseSilence), lasting(1, roleSilence)}},
		{"job", jobPools(ten), pools{ten, ten, silent(10, roleSilence)}},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, test.got, test.want)
		}
	}
}
