package service

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

func TestPools(t *testing.T) {
	ten := postgres.PoolConfig{MaxOpen: 10, MaxIdle: 10, ConnMaxLifetime: time.Hour}
	few := postgres.PoolConfig{MaxOpen: 3, MaxIdle: 3, ConnMaxLifetime: time.Hour}
	two := postgres.PoolConfig{MaxOpen: 2, MaxIdle: 2, ConnMaxLifetime: time.Hour}
	silent := func(c postgres.PoolConfig, silence time.Duration) postgres.PoolConfig {
		c.Silence = silence
		return c
	}
	lasting := func(c postgres.PoolConfig, silence time.Duration) postgres.PoolConfig {
		c.Lasting = true
		return silent(c, silence)
	}
	one := postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1}
	for _, test := range []struct {
		name      string
		got, want pools
	}{
		{"api", apiPools(ten), pools{catalogue: ten, userData: few, shard: lasting(few, shardSilence)}},
		{"api without a bound", apiPools(postgres.PoolConfig{}), pools{
			userData: postgres.PoolConfig{MaxOpen: 3, MaxIdle: 3},
			shard:    postgres.PoolConfig{MaxOpen: 3, MaxIdle: 3, Silence: shardSilence, Lasting: true},
		}},
		{"api with a pool of one", apiPools(one), pools{catalogue: one, userData: one, shard: lasting(one, shardSilence)}},
		{"parts", partsPools(ten), pools{catalogue: ten, userData: few, shard: lasting(two, roleSilence)}},
		{"parts with a pool of one", partsPools(one), pools{catalogue: one, userData: one, shard: lasting(one, roleSilence)}},
		{"job", jobPools(ten), pools{catalogue: ten, userData: ten, shard: silent(ten, roleSilence)}},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, test.got, test.want)
		}
	}
}
