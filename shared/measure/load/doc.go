// Package load sends ByteBites a realistic stream of requests, in an open loop: requests
// go out on a schedule that is fixed beforehand, whether or not earlier ones came back,
// as real people do. Pacing and workers are vegeta's; what is sent, how an answer is
// judged and how time is counted are this package's.
//
// How time is counted:
//
//	lateness = when a request was really sent - when the schedule meant it to be
//	service  = when its answer was read in full, or given up - when it was sent
//	latency  = lateness + service
//
// So latency counts from the intended time, and a generator or server that stalls
// cannot hide the wait it caused (no coordinated omission). A request that gets no
// answer in time is given up after the client's timeout, counted from when it was
// really sent: its latency is its lateness plus the timeout. An order that failed is
// retried once under the same Idempotency-Key, and its latency runs to the end of the
// retry, so an order that timed out twice counts two timeouts and the pause between.
package load
