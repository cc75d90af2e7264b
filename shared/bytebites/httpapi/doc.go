// Package httpapi is the HTTP face of ByteBites: a JSON API in gin, its OpenAPI
// document, and a storefront page that a person can order dinner from. It knows the
// domain only through the interfaces of package bytebites, so the same contract is
// served whatever a lab puts behind them.
//
// Errors are RFC 9457 problems. One table (see problem.go) maps domain errors to
// statuses; everything that the table does not know is logged with its request id and
// shown to the client as nothing more than 'internal'.
package httpapi
