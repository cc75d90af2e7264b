package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/verify"
)

// TestLessons looks at the texts of every lab as `verify` does, so that a test run of seconds
// shows a fault in them.
func TestLessons(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	v := verify.Verifier{Root: os.DirFS(root), Course: course.Labs()}
	for _, l := range course.Labs() {
		t.Run(l.Name, func(t *testing.T) {
			problems, err := v.Texts(l.Name)
			for _, problem := range problems {
				t.Error(problem)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTimetable: the instructor's page plans a day by the minutes of the course.
func TestTimetable(t *testing.T) {
	page, err := os.ReadFile("instructor.md")
	if err != nil {
		t.Fatal(err)
	}
	row, sum := "| minutes |", 0
	for _, l := range course.Labs() {
		row += fmt.Sprintf(" %d |", l.Minutes)
		sum += l.Minutes
	}
	if row += fmt.Sprintf(" %d |", sum); !strings.Contains(string(page), row) {
		t.Errorf("instructor.md does not have the row of the course: %s", row)
	}
}
