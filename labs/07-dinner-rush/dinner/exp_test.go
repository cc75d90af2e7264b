package dinner

import (
	"context"
	"testing"
	"time"
	"log/slog"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/04-sharding"
)

func TestExp(t *testing.T) {
	_ = slog.Default
	bed := testbed.ForTest(t)
	r := sharding.NewRouter()
	servers := []shard.Server{1, 2, 3, 4}
	plan := r.Plan(shard.Assignment{}, servers)
	began := time.Now()
	spread, err := seed.NewSpread(seed.Full(), 4, func(u bytebites.UserID) int { return int(plan[r.Bucket(u)]) })
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("spread", time.Since(began))
	shares := []seed.Share{spread.Catalogue()}
	for i := 1; i <= 4; i++ {
		shares = append(shares, spread.UserData(i))
	}
	for try := range 2 {
		began = time.Now()
		var starts []func(context.Context) error
		for i, s := range shares {
			starts = append(starts, func(ctx context.Context) error {
				b := time.Now()
				_, err := bed.Postgres(ctx, testbed.PostgresOptions{Name: fmt.Sprintf("s%d-%d", try, i), Share: &s, Type: instance.Micro()})
				fmt.Println(i, s, time.Since(b))
				return err
			})
		}
		if err := testbed.SideBySide(t.Context(), starts...); err != nil {
			t.Fatal(err)
		}
		fmt.Println("round", try, time.Since(began))
	}
}
