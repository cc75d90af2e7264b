package cli

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A line about a download goes when the go command has said nothing for a while.
func TestDownloadIsNotShownForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // the timer shows lines too
		var lines []string
		o := newGoOutput(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		}, time.Second)
		shown := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(lines)
		}
		write := func(text string) {
			if _, err := fmt.Fprint(o, text); err != nil {
				t.Fatal(err)
			}
		}
		write("go: downloading a v1\ngo: down")
		time.Sleep(900 * time.Millisecond)
		write("loading b v1\n")
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		want := []string{"go: downloading a v1", "go: downloading b v1"}
		if !slices.Equal(shown(), want) {
			t.Errorf("after two downloads: %q, want %q", shown(), want)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		want = append(want, compiling)
		if !slices.Equal(shown(), want) {
			t.Errorf("while the compiler works: %q, want %q", shown(), want)
		}
		write("# a/package\n")
		time.Sleep(time.Minute)
		synctest.Wait()
		want = append(want, "# a/package")
		if !slices.Equal(shown(), want) {
			t.Errorf("after the compiler's output: %q, want %q", shown(), want)
		}
		write("go: downloading c v1\n")
		o.end()
		time.Sleep(time.Minute)
		synctest.Wait()
		if want = append(want, "go: downloading c v1"); !slices.Equal(shown(), want) {
			t.Errorf("after the end: %q, want %q", shown(), want)
		}
	})
}
