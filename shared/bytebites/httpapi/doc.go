// Package httpapi is the HTTP interface of ByteBites: a JSON API in gin, its OpenAPI document, and
// a storefront page for people. It knows the domain only through the interfaces of package
// bytebites. So every implementation that a lab provides serves the same contract.
//
// Errors are RFC 9457 problems. One table (see problem.go) maps domain errors to statuses. Any
// other error is logged with its request id, and the client sees only 'internal'.
package httpapi
