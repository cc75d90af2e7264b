// Package shardstore makes the stores of user data out of one seam, Access: how to read what
// is one subscriber's, how to change it, and how to ask about everybody. Which server that
// means is for lab 04 to say. The stores here only know what is asked: whose data a call is
// about, and how the answers of several servers become one.
package shardstore
