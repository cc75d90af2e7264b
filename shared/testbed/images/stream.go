package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bytebites.example/workshop/shared/progress"
)

// message is one line of the engine's answer to a build, pull, import or load.
type message struct {
	Stream   string `json:"stream"`
	Status   string `json:"status"`
	ID       string `json:"id"`
	Progress string `json:"progress"`
	Error    string `json:"error"`
}

const keptLines = 12 // of output, shown with an error

// follow reads the engine's messages to the end and closes the stream. It shows each output
// line as the step's detail. An error holds the last lines.
func follow(r io.ReadCloser, step *progress.Step) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	var last []string
	decoder := json.NewDecoder(r)
	for {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != "" {
			if len(last) == 0 {
				return errors.New(m.Error)
			}
			return fmt.Errorf("%s, after:\n%s", m.Error, strings.Join(last, "\n"))
		}
		if m.Status != "" {
			step.Detail(strings.TrimSpace(m.ID + " " + m.Status + " " + m.Progress))
		}
		for _, line := range strings.Split(m.Stream, "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			step.Detail(line)
			last = append(last, line)
			if len(last) > keptLines {
				last = last[1:]
			}
		}
	}
}
