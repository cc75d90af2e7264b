// Package shardstore builds the stores of user data on one interface, Access. An Access reads one
// subscriber's data, changes it, and asks about all subscribers. Lab 04 decides which servers each
// call goes to. The stores here only know whose data a call is about, and how to merge the answers
// of several servers.
package shardstore
