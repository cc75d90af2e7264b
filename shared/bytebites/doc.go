// Package bytebites is the domain of the meal-kit service: its types, its errors, and the
// interfaces of the parts that the labs replace. It imports no technology and nothing of
// the workshop. Packages such as postgres, inmem and smtp each adapt one technology, and
// package service wires them.
//
// The domain has two groups of data, reached through separate interfaces. User data is
// profiles, carts, ratings, orders, and the effects of orders. Catalogue data is meals,
// stock, sessions, and the directory from email address to user. Lab 04 moves user data to
// shards, while catalogue data stays on one server. For the same reason every call on user
// data carries the user's id.
package bytebites
