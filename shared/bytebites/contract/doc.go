// Package contract says what ByteBites promises over HTTP, as checks that run against
// any base URL: a handler in process, one replica, or all of a lab behind nginx. So
// the same checks hold at every step of the workshop.
//
// Every answer is validated against the OpenAPI document: a status, a header or a field
// that the document does not know is a failure. Abuse sends requests of ill will.
package contract
