// Package bytebites is the domain of the meal-kit service: its types, its errors and,
// as interfaces in domain words, the parts that the labs replace. It imports nothing
// of the workshop and no technology; packages such as postgres, memsession and
// smtpmail adapt one technology each, and service wires them.
//
// User data (profiles, carts, ratings, orders and what follows from them) and
// catalogue data (meals, stock, the directory from email to user, sessions) are
// reached through separate interfaces, because lab 04 moves the first to shards while
// the second stays on a server of its own. For the same reason every call on user data
// carries the user's id.
package bytebites
