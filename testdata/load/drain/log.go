package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// record is what the access log says of one request.
type record struct {
	Logger  string `json:"logger"`
	Request string `json:"request"`
	Code    int    `json:"code"`
	Size    int    `json:"size"`
}

// compareLog checks that the log has one record for each answer and no other.
func compareLog(path string, answers map[string]int) error {
	log, err := os.Open(path)
	if err != nil {
		return err
	}
	defer log.Close()
	seen := make(map[string]int)
	var problems []error
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.Logger != "access" {
			continue
		}
		_, id, _ := strings.Cut(r.Request, "?")
		id, _, _ = strings.Cut(id, " ")
		seen[id]++
		size, answered := answers[id]
		if !answered {
			problems = append(problems, fmt.Errorf("a record for %q, which got no whole answer: %s", r.Request, lines.Bytes()))
		}
		if answered && (r.Code != 200 || r.Size != size) {
			problems = append(problems, fmt.Errorf("the record of %q has code %d and size %d, want 200 and %d", r.Request, r.Code, r.Size, size))
		}
	}
	records := 0
	for id, n := range seen {
		records += n
		if n != 1 {
			problems = append(problems, fmt.Errorf("%d records for %q, want 1", n, id))
		}
	}
	missing := 0
	for id := range answers {
		if seen[id] == 0 {
			missing++
		}
	}
	if missing > 0 {
		problems = append(problems, fmt.Errorf("%d answers have no record", missing))
	}
	fmt.Printf("%d records for %d answers\n", records, len(answers))
	if len(problems) > 10 {
		problems = append(problems[:10], fmt.Errorf("and %d more", len(problems)-10))
	}
	return errors.Join(append(problems, lines.Err())...)
}
