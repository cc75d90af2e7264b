package shard

// TableForTest is what a test may know of a table that is copied.
type TableForTest struct {
	Name, Order       string
	Columns, Instants []string
	OfOrder           bool
}

// TablesForTest returns all tables that are copied.
func TablesForTest() []TableForTest {
	all := make([]TableForTest, 0, len(tables()))
	for _, t := range tables() {
		all = append(all, TableForTest{Name: t.name, Order: t.order, Columns: t.columns, Instants: t.instants, OfOrder: t.ofOrder})
	}
	return all
}
