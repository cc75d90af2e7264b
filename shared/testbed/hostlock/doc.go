// Package hostlock is what this computer knows of the workshop's processes: who owns a
// container (so that the leftovers of the dead can be swept and the living are never
// touched), and locks and slots that every process on the machine shares and that die
// with the process that holds them.
package hostlock
