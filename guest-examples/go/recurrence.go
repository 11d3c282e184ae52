package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A rule that begins long before the time span must not compute forever.
const maxPeriods = 100_000

// span is the time from its start to just before its end.
type span struct{ start, end time.Time }

// rule is a recurrence rule: `FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261231`.
type rule struct {
	// Years, months and days of a period.
	years, months, days int
	// The number of occurrences, 0 if there is no limit.
	count int
	until time.Time
	// The days of a week, for weekly events.
	weekdays []time.Weekday
}

var weekdays = map[string]time.Weekday{
	"MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday, "FR": time.Friday, "SA": time.Saturday,
	"SU": time.Sunday,
}

func parseRule(text string, zone *time.Location) (*rule, error) {
	found, frequency, interval := &rule{}, "", 1
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "FREQ":
			frequency = value
		case "INTERVAL":
			interval, err = positive(value)
		case "COUNT":
			found.count, err = positive(value)
		case "UNTIL":
			found.until, err = parseTime(value, zone)
			// The last day is part of the rule.
			if len(value) == len("20261231") {
				found.until = found.until.AddDate(0, 0, 1).Add(-1)
			}
		case "BYDAY":
			for name := range strings.SplitSeq(value, ",") {
				weekday, isKnown := weekdays[name]
				if !isKnown {
					return nil, fmt.Errorf("the day %q of BYDAY is not supported", name)
				}
				found.weekdays = append(found.weekdays, weekday)
			}
		case "WKST":
			// Weeks begin on Monday, which matters only with an interval of weeks and several days.
		default:
			err = fmt.Errorf("the part %q of RRULE is not supported", name)
		}
		if err != nil {
			return nil, err
		}
	}
	switch frequency {
	case "DAILY":
		found.days = interval
	case "WEEKLY":
		found.days = 7 * interval
	case "MONTHLY":
		found.months = interval
	case "YEARLY":
		found.years = interval
	default:
		return nil, fmt.Errorf("the frequency %q of RRULE is not supported", frequency)
	}
	if len(found.weekdays) > 0 && frequency != "WEEKLY" {
		return nil, fmt.Errorf("BYDAY with the frequency %s is not supported", frequency)
	}
	return found, nil
}

func positive(text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > 10_000 {
		return 0, fmt.Errorf("%q of RRULE is not a number from 1 to 10000", text)
	}
	return number, nil
}

// occurrences returns the occurrences of an event within a time span.
func (of event) occurrences(within span) []event {
	if of.rule == nil {
		if of.overlaps(within) {
			return []event{of}
		}
		return nil
	}
	var found []event
	count := 0
	for period := range maxPeriods {
		for _, start := range of.rule.starts(of.start, period) {
			count++
			isOver := of.rule.count > 0 && count > of.rule.count || !of.rule.until.IsZero() && start.After(of.rule.until)
			if isOver || !start.Before(within.end) {
				return found
			}
			occurrence := of
			occurrence.start = start
			if of.isWholeDays {
				days := int(of.end.Sub(of.start).Hours()+12) / 24
				occurrence.end = start.AddDate(0, 0, days)
			} else {
				occurrence.end = start.Add(of.end.Sub(of.start))
			}
			isExcepted := slices.ContainsFunc(of.except, start.Equal)
			if !isExcepted && occurrence.overlaps(within) {
				found = append(found, occurrence)
			}
		}
	}
	return found
}

// starts returns the starts in one period, counted from the first.
func (rule rule) starts(first time.Time, period int) []time.Time {
	start := first.AddDate(rule.years*period, rule.months*period, rule.days*period)
	if len(rule.weekdays) == 0 {
		// Months without the day of the event, such as 31 April, have no occurrence.
		if rule.days == 0 && start.Day() != first.Day() {
			return nil
		}
		return []time.Time{start}
	}
	var starts []time.Time
	// Monday is the first day of the week.
	monday := start.AddDate(0, 0, -(int(start.Weekday())+6)%7)
	for offset := range 7 {
		start := monday.AddDate(0, 0, offset)
		if slices.Contains(rule.weekdays, start.Weekday()) && !start.Before(first) {
			starts = append(starts, start)
		}
	}
	return starts
}

// overlaps returns whether the event is within a time span, at least in part.
func (event event) overlaps(within span) bool {
	isInstant := event.start.Equal(event.end) && event.start.Equal(within.start)
	return event.start.Before(within.end) && (event.end.After(within.start) || isInstant)
}
