// Package plot draws charts and intervals as SVG for a page. Colours are CSS variables of the page,
// so that one drawing serves light and dark; lines differ by dash and marker too.
package plot
