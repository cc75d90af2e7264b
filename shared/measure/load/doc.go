// Package load sends ByteBites a realistic stream of requests in an open loop. Requests go out
// on a fixed schedule, also while earlier requests have no answer yet, because real people do
// not wait for each other. vegeta does the pacing and runs the workers. This package makes
// the requests, judges the answers and measures the times.
//
// How time is counted:
//
//	lateness = time of sending - intended time of the schedule
//	service  = time of the complete answer, or of the timeout - time of sending
//	latency  = lateness + service
//
// So latency counts from the intended time, and the wait that a stalled generator or server
// causes is never omitted (no coordinated omission). The client's timeout counts from the time
// of sending, so the latency of a request that times out is its lateness plus the timeout. A
// failed order is retried once with the same Idempotency-Key, and its latency ends with the
// retry. So an order that times out twice counts two timeouts and the pause between them.
package load
