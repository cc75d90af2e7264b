package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed web
var webFiles embed.FS

// asset is a file of the storefront.
type asset struct {
	contentType string
	data        []byte
	tag         string // hash of the content
}

// storefront is the page and its assets.
type storefront struct {
	page   *template.Template
	assets map[string]asset
}

func newStorefront() (*storefront, error) {
	s := &storefront{assets: map[string]asset{}}
	for name, contentType := range map[string]string{
		"app.css":   "text/css; charset=utf-8",
		"app.js":    "text/javascript; charset=utf-8",
		"dishes.js": "text/javascript; charset=utf-8",
		"icon.svg":  "image/svg+xml",
	} {
		data, err := webFiles.ReadFile("web/" + name)
		if err != nil {
			return nil, err
		}
		hash := sha256.Sum256(data)
		s.assets[name] = asset{contentType: contentType, data: data, tag: hex.EncodeToString(hash[:8])}
	}
	var err error
	s.page, err = template.New("page.html.tmpl").Funcs(template.FuncMap{
		// The tag in the URL lets browsers cache a file for ever and still load a new version.
		"asset": func(name string) (string, error) {
			a, found := s.assets[name]
			if !found {
				return "", fmt.Errorf("no asset %s", name)
			}
			return "/static/" + name + "?v=" + a.tag, nil
		},
	}).ParseFS(webFiles, "web/page.html.tmpl")
	return s, err
}

type pageData struct {
	Instance, DemoEmail, DemoPassword string
	Cuisines, Diets                   []string
}

func (a *api) page(c *gin.Context) error {
	cuisines, diets := a.facets.load(c.Request.Context(), a)
	var buf bytes.Buffer
	err := a.storefront.page.Execute(&buf, pageData{
		Instance: a.Instance, DemoEmail: a.DemoEmail, DemoPassword: a.DemoPassword,
		Cuisines: cuisines, Diets: diets})
	if err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	writeBytes(c, http.StatusOK, "text/html; charset=utf-8", buf.Bytes())
	return nil
}

func (a *api) static(c *gin.Context) error {
	file, found := a.storefront.assets[c.Param("name")]
	if !found {
		return &requestError{kind: kindNotFound}
	}
	c.Header("Cache-Control", "public, max-age=300")
	if c.Query("v") == file.tag {
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	writeBytes(c, http.StatusOK, file.contentType, file.data)
	return nil
}

// facets are the cuisines and diets of the page's filters. They are read from the catalogue from
// time to time, because meals seldom change.
type facets struct {
	mu              sync.Mutex
	cuisines, diets []string
	loadedAt        time.Time
}

const facetsTTL = 10 * time.Minute

// load returns the facets. If the catalogue fails, it returns the previous facets or none, because
// the page also works without filters and without a database.
func (f *facets) load(ctx context.Context, a *api) (cuisines, diets []string) {
	f.mu.Lock()
	fresh := time.Since(f.loadedAt) < facetsTTL && f.cuisines != nil
	cuisines, diets = f.cuisines, f.diets
	f.mu.Unlock() // not held during the query, so that a slow catalogue does not block every page
	if fresh {
		return cuisines, diets
	}
	tastes, err := a.Catalogue.Tastes(ctx)
	if err != nil {
		a.Logger.WarnContext(ctx, "load filters failed", "error", err)
		return cuisines, diets
	}
	cuisines, diets = nil, nil
	for _, t := range tastes {
		cuisines = append(cuisines, t.Cuisine)
		diets = append(diets, t.Diets...)
	}
	slices.Sort(cuisines)
	slices.Sort(diets)
	cuisines, diets = slices.Compact(cuisines), slices.Compact(diets)
	f.mu.Lock()
	f.cuisines, f.diets, f.loadedAt = cuisines, diets, time.Now()
	f.mu.Unlock()
	return cuisines, diets
}
