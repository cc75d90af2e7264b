package testbed_test

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
)

func TestPostgresWithADataset(t *testing.T) {
	bed := testbed.ForTest(t)
	size := seed.Small()
	began := time.Now()
	p, err := bed.Postgres(t.Context(), testbed.PostgresOptions{Dataset: &size, Type: instance.Micro()})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %.1f s", time.Since(began).Seconds())
	db := openDB(t, p.URL())
	var orders int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM orders").Scan(&orders); err != nil || orders != size.Orders {
		t.Errorf("%d orders, %v; want %d", orders, err, size.Orders)
	}
	if q, err := p.Quota(t.Context()); err != nil || !q.InForce(instance.Micro()) {
		t.Errorf("quota %+v, %v; want that of the type", q, err)
	}
	// The image is made with durability off.
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes", "autovacuum"} {
		var got string
		if err := db.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != "on" {
			t.Errorf("%s is %q, %v; want on", setting, got, err)
		}
	}
}
