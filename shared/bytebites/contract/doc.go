// Package contract checks the promises of ByteBites over HTTP. The checks run against any base URL:
// a handler in process, one replica, or a whole lab behind nginx. So the same checks hold at every
// step of the workshop.
//
// Every answer is validated against the OpenAPI document. A status, a header or a field that the
// document does not have is a failure. Abuse sends hostile requests.
package contract
