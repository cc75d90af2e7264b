package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/page"
)

// pageFile is where the page of a result lies: beside the result.
func pageFile(resultFile string) string {
	return resultFile[:len(resultFile)-len(filepath.Ext(resultFile))] + ".html"
}

// fileExists reports whether there is a file.
func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// short returns a path as the user types it from the module's root.
func (w workshop) short(path string) string {
	if relative, err := filepath.Rel(w.root, path); err == nil {
		return filepath.ToSlash(relative)
	}
	return path
}

// writePage writes the page of a kept result beside it, and returns its path.
func (w workshop) writePage(r reported) (path string, err error) {
	result := w.keptFile(r.folder, r.source)
	path = pageFile(result)
	p := report.Page(r.title(), r.kept.words(), "The figures are in "+w.short(result)+".", r.kept.Result)
	return path, page.Save(path, p)
}

// browserPatience is how long a program that opens pages may take to fail. Some of them are the
// browser itself and do not end.
const browserPatience = time.Second

// openPage shows a page in the user's browser if there is one, and reports whether it did. A page
// that nothing shows is no error, because its path was printed.
func (a *app) openPage(path string) bool {
	program, args := a.opener(runtime.GOOS)
	if program == "" {
		return false
	}
	return subprocess.HandOver(browserPatience, filepath.Dir(path), a.env, program, append(args, path)...) == nil
}

// opener returns the program that opens a file in a browser, and its first arguments. The program
// is empty on a machine without such a program, or without a screen.
func (a *app) opener(system string) (program string, args []string) {
	switch system {
	case "darwin":
		program = "open"
	case "windows":
		program, args = "rundll32", []string{"url.dll,FileProtocolHandler"}
	default:
		program = "xdg-open"
		// Without a screen xdg-open starts a browser for terminals, which would take over this one.
		if a.getenv("DISPLAY") == "" && a.getenv("WAYLAND_DISPLAY") == "" {
			return "", nil
		}
	}
	if _, err := exec.LookPath(program); err != nil {
		return "", nil
	}
	return program, args
}
