package load

import "net/http"

// Over returns a generator whose requests go to a transport and not to the network.
func (g Generator) Over(transport http.RoundTripper) Generator {
	g.transport = transport
	return g
}

// Compare exports compare to tests.
func (s *Stream) Compare(q Request, body []byte) (cause string) {
	_, cause = s.compare(q, body)
	return cause
}
