// The tool list_events: the events of an iCalendar file within a time span, as a table.
package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Components have no files, so the time zones are part of the program.
	"toolcrib"
)

// A year of meetings in a table is more than a model reads; the caller can choose a shorter span.
const maxEvents = 1000

type Arguments struct {
	Calendar string `json:"calendar" jsonschema:"The text of an iCalendar file (RFC 5545, .ics)" limits:"maxLength=2000000"`
	From     string `json:"from" jsonschema:"First day, such as 2026-11-28" limits:"maxLength=10"`
	To       string `json:"to" jsonschema:"Last day, such as 2026-12-04" limits:"maxLength=10"`
	Zone     string `json:"zone,omitempty" jsonschema:"Time zone of the days and of the table, such as Europe/Berlin; UTC by default" limits:"maxLength=64"`
}

// Row is an event of the table.
type Row struct {
	Start    string `json:"start" jsonschema:"RFC 3339, or a date for events of whole days"`
	End      string `json:"end"`
	Summary  string `json:"summary"`
	Location string `json:"location,omitempty"`
}

type Table struct {
	Events []Row `json:"events" jsonschema:"In the order of their start; recurring events once for each occurrence"`
}

const description = "Lists the events of an iCalendar file from one day to another, in one time zone, with all occurrences of recurring " +
	"events. Use it instead of reading the file."

func init() {
	hints := toolcrib.Hints{Title: "List events", ReadOnly: true, Idempotent: true}
	toolcrib.Add("list_events", description, listEvents, hints)
}

func listEvents(arguments Arguments) (Table, error) {
	zone, err := time.LoadLocation(arguments.Zone)
	if err != nil {
		return Table{}, toolcrib.InvalidArguments(fmt.Sprintf("there is no time zone %q", arguments.Zone))
	}
	from, err := day(arguments.From, zone)
	if err != nil {
		return Table{}, err
	}
	to, err := day(arguments.To, zone)
	if err != nil {
		return Table{}, err
	}
	if to.Before(from) {
		return Table{}, toolcrib.InvalidArguments("the last day is before the first")
	}
	events, err := parse(arguments.Calendar, zone)
	if err != nil {
		return Table{}, toolcrib.InvalidArguments(err.Error())
	}
	span := span{from, to.AddDate(0, 0, 1)}
	var found []event
	for _, event := range events {
		found = append(found, event.occurrences(span)...)
		if len(found) > maxEvents {
			return Table{}, toolcrib.InvalidArguments(fmt.Sprintf("there are more than %d events; choose a shorter time span", maxEvents))
		}
	}
	slices.SortStableFunc(found, func(a, b event) int { return a.start.Compare(b.start) })
	table := Table{Events: []Row{}}
	for _, event := range found {
		table.Events = append(table.Events, event.row(zone))
	}
	return table, nil
}

// day returns the start of a day.
func day(text string, zone *time.Location) (time.Time, error) {
	found, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return found, toolcrib.InvalidArguments(fmt.Sprintf("%q is not a day such as 2026-11-28", text))
	}
	return found, nil
}

func (event event) row(zone *time.Location) Row {
	layout := time.RFC3339
	if event.isWholeDays {
		layout = time.DateOnly
	} else {
		event.start, event.end = event.start.In(zone), event.end.In(zone)
	}
	row := Row{Start: event.start.Format(layout), End: event.end.Format(layout)}
	row.Summary, row.Location = strings.TrimSpace(event.summary), strings.TrimSpace(event.location)
	return row
}

func main() {}
