// The tool count_words.
package main

import (
	"cmp"
	"slices"
	"strings"
	"toolcrib"
	"unicode"
)

type Arguments struct {
	Text string `json:"text" jsonschema:"The text" limits:"maxLength=1000000"`
	Top  *int   `json:"top" jsonschema:"How many of the most frequent words to return, 5 by default" limits:"minimum=0,maximum=100"`
}

type Frequency struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

type Counts struct {
	Words        int         `json:"words"`
	Lines        int         `json:"lines"`
	MostFrequent []Frequency `json:"most_frequent" jsonschema:"The most frequent words, in lower case"`
}

const description = "Counts the words and lines of a text, and finds its most frequent words. Use it instead of counting by hand."

func init() {
	hints := toolcrib.Hints{Title: "Count words", ReadOnly: true, Idempotent: true}
	toolcrib.Add("count_words", description, countWords, hints)
}

func countWords(arguments Arguments) (Counts, error) {
	words := strings.FieldsFunc(strings.ToLower(arguments.Text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '\''
	})
	if len(words) == 0 {
		return Counts{}, toolcrib.InvalidArguments("the text has no words")
	}
	counts := map[string]int{}
	for _, word := range words {
		counts[word]++
	}
	frequencies := []Frequency{}
	for word, count := range counts {
		frequencies = append(frequencies, Frequency{word, count})
	}
	slices.SortFunc(frequencies, func(a, b Frequency) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Word, b.Word))
	})
	top := 5
	if arguments.Top != nil {
		top = *arguments.Top
	}
	lines := strings.Count(strings.TrimSuffix(arguments.Text, "\n"), "\n") + 1
	return Counts{len(words), lines, frequencies[:min(top, len(frequencies))]}, nil
}

func main() {}
