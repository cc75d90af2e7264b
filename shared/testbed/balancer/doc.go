// Package balancer keeps a load balancer's list of servers true: it asks every replica
// whether it is ready, as the health check of a cloud balancer does, and publishes the
// list anew when that changes. Stock nginx checks servers only passively, by failing
// requests of users; and it sends nothing to a replica that has joined since it read
// its configuration.
package balancer
