// Package scaler runs an autoscaling policy on real replicas. The [Controller] measures a [Fleet],
// asks an autoscale.Policy how many replicas should run, and starts or drains replicas.
//
// A policy never acts. It is a pure function, so that a trace can test it. All that can go wrong
// with containers is the controller's work:
//
//   - The controller dies. A new one adopts the replicas that run. It finds them by the labels of
//     their containers.
//   - Two controllers run. Only the one with the lease acts, and it checks the lease before each act.
//   - The engine answers late. A replica without a measurement in time has Measured false. A start
//     that timed out is continued or repeated under the same name. The engine takes a name once, so
//     that a repeated start never makes a second replica.
//   - The policy panics, does not return, or returns an absurd number. The controller has bounds of
//     its own, and it keeps the number of replicas when it has no answer.
//   - A replica dies, or it never becomes ready. The controller removes it and starts another.
//
// The story measures in minutes, and a run has seconds. So a [Clock] converts the time of the run
// into story time. The policy sees story time only.
package scaler
