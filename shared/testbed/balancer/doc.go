// Package balancer keeps a load balancer's list of servers current. It probes every replica,
// as the health check of a cloud balancer does. When a replica becomes ready, or no longer
// is, the package publishes a new list. Open-source nginx has passive checks only: requests of
// users must fail first. It also sends nothing to a replica that joined after nginx read its
// configuration.
package balancer
