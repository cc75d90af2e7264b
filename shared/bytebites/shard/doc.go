// Package shard is the basis for user data that is spread over several servers. It has
// three parts: the map from buckets of subscribers to servers, the fences against writers with an
// old map, and the copies of rows.
//
// The parts that lab 04 teaches are not here. They are the bucket of a subscriber, the servers of a
// read and a write in each phase of a move, and the order of the steps of a move.
//
// # A move
//
// Every bucket has a home. During a move, some buckets have a target too. The map holds all homes,
// all targets and the phase. It is one row in the catalogue's database, and each change increases
// its version by one. Replicas of the service read it a few times a second, so for a moment some
// replicas have an older map than others. If two of them used different homes for one subscriber,
// writes would be lost.
//
// So each server of user data has a fence: a row with the version of the map that writers must
// have. A writer passes the fence in its own transaction. A fence cannot be moved while a writer is
// inside. A writer that the fence turns away reads the map again and retries.
//
// Versions that differ by at most one come from online schema change in F1 (Rae et al., VLDB 2013).
// The switch behind closed fences comes from MoveTables in Vitess.
//
// # A copy
//
// While a bucket moves, each write to a home also marks its subscriber, in the same transaction:
// the version of the mark grows by one. A copy is all rows of a subscriber, read by one statement,
// with that version. It replaces the rows on the other server, unless their version is as new or
// newer. So copies may be late, come twice or overtake one another. A subscriber whose mark is
// newer than the last copy is found again after any crash.
package shard
