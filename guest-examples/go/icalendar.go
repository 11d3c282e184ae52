package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// event is an event, or one occurrence of it.
type event struct {
	start, end        time.Time
	isWholeDays       bool
	summary, location string
	rule              *rule
	// Starts of occurrences that do not happen.
	except []time.Time
}

// property is a line of an iCalendar file: `DTSTART;TZID=Europe/Berlin:20261128T090000`.
type property struct {
	name, value string
	parameters  map[string]string
}

// parse returns the events of an iCalendar file. Times without a time zone are in `zone`.
func parse(text string, zone *time.Location) ([]event, error) {
	text = strings.ReplaceAll(text, "\r", "")
	// A line that starts with a space continues the one before.
	text = strings.NewReplacer("\n ", "", "\n\t", "").Replace(text)
	if !strings.HasPrefix(text, "BEGIN:VCALENDAR") {
		return nil, errors.New("the calendar does not begin with BEGIN:VCALENDAR")
	}
	var events []event
	var properties []property
	// The components that the line is in, such as an alarm in an event.
	var within []string
	for number, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		property, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the unfolded calendar %w", number+1, err)
		}
		switch property.name {
		case "BEGIN":
			within = append(within, property.value)
			if property.value == "VEVENT" {
				properties = nil
			}
		case "END":
			if len(within) == 0 || within[len(within)-1] != property.value {
				return nil, fmt.Errorf("line %d of the unfolded calendar ends %q, which is not open", number+1, property.value)
			}
			within = within[:len(within)-1]
			if property.value == "VEVENT" {
				event, err := newEvent(properties, zone)
				if err != nil {
					return nil, fmt.Errorf("the event that ends in line %d of the unfolded calendar: %w", number+1, err)
				}
				events = append(events, event)
			}
		default:
			if len(within) > 0 && within[len(within)-1] == "VEVENT" {
				properties = append(properties, property)
			}
		}
	}
	if len(within) > 0 {
		return nil, fmt.Errorf("the calendar ends within %s", within[len(within)-1])
	}
	return events, nil
}

func parseLine(line string) (property, error) {
	// A colon within quotes is part of a parameter.
	isQuoted := false
	colon := strings.IndexFunc(line, func(r rune) bool {
		isQuoted = isQuoted != (r == '"')
		return r == ':' && !isQuoted
	})
	if colon < 0 {
		return property{}, errors.New("has no colon")
	}
	parts := strings.Split(line[:colon], ";")
	found := property{strings.ToUpper(parts[0]), line[colon+1:], map[string]string{}}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		found.parameters[strings.ToUpper(name)] = strings.Trim(value, `"`)
	}
	return found, nil
}

func newEvent(properties []property, zone *time.Location) (event, error) {
	found := event{}
	hasEnd := false
	unescape := strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`)
	for _, property := range properties {
		var err error
		switch property.name {
		case "DTSTART":
			found.isWholeDays = len(property.value) == len("20261128")
			found.start, err = property.time(property.value, zone)
		case "DTEND":
			hasEnd = true
			found.end, err = property.time(property.value, zone)
		case "SUMMARY":
			found.summary = unescape.Replace(property.value)
		case "LOCATION":
			found.location = unescape.Replace(property.value)
		case "RRULE":
			found.rule, err = parseRule(property.value, zone)
		case "EXDATE":
			for value := range strings.SplitSeq(property.value, ",") {
				var except time.Time
				if except, err = property.time(value, zone); err != nil {
					break
				}
				found.except = append(found.except, except)
			}
		case "DURATION", "RDATE", "RECURRENCE-ID":
			err = fmt.Errorf("%s is not supported", property.name)
		}
		if err != nil {
			return found, err
		}
	}
	if found.start.IsZero() {
		return found, errors.New("DTSTART is missing")
	}
	if !hasEnd {
		found.end = found.start
		if found.isWholeDays {
			found.end = found.start.AddDate(0, 0, 1)
		}
	}
	if found.end.Before(found.start) {
		return found, errors.New("it ends before it starts")
	}
	return found, nil
}

// time returns a date or a time of the property.
func (property property) time(text string, zone *time.Location) (time.Time, error) {
	if name := property.parameters["TZID"]; name != "" {
		named, err := time.LoadLocation(name)
		if err != nil {
			return time.Time{}, fmt.Errorf("there is no time zone %q", name)
		}
		zone = named
	}
	return parseTime(text, zone)
}

func parseTime(text string, zone *time.Location) (time.Time, error) {
	if text, isUTC := strings.CutSuffix(text, "Z"); isUTC {
		return parseTime(text, time.UTC)
	}
	for _, layout := range []string{"20060102T150405", "20060102"} {
		if found, err := time.ParseInLocation(layout, text, zone); err == nil {
			return found, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a date or time", strconv.Quote(text))
}
