// Package shard is what stands under user data that is spread over several servers: the
// map that says where each bucket of subscribers lives, the fences that keep out who
// writes by an old map, and rows on their way from one server to another.
//
// What lab 04 teaches is not here: which bucket a subscriber is in, which servers a read
// and a write go to in each phase of a move, and in which order a move takes its steps.
//
// # A move
//
// Every bucket has a home, and while a move is under way some have a target too. The map
// with all homes, targets and the phase is one row in the catalogue's database, and has a
// version that grows by one with each change. Replicas of the service read it a few times
// a second, so for a moment some of them know an older map than others. That would lose
// data where two of them believe in different homes of one subscriber. So each server of
// user data has a fence: a row with the version of the map that writers must hold. A
// writer passes the fence in its own transaction, and a fence cannot be moved while
// somebody is inside. Whoever is turned away reads the map again and tries again.
//
// The idea of versions that are at most one apart is that of online schema change in F1
// (Rae et al., VLDB 2013); the switch behind closed fences is that of Vitess's MoveTables.
//
// # A copy
//
// While a bucket moves, each write to a home also marks its subscriber, in the same
// transaction: the mark's version grows by one. A copy is all rows of a subscriber as one
// statement saw them, with that version. It replaces what the other server has, unless that
// is as new or newer. So copies may be late, come twice or overtake one another, and a
// subscriber whose mark is ahead of the last copy is found again after any crash.
package shard
