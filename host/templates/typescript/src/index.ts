// The tool `count_words`. `tool` is the export of the component.

import { component, InvalidArguments, type ToolDefinition } from "../wit/javascript/toolcrib.js";

interface Arguments {
  text: string;
  top?: number;
}

interface Counts {
  words: number;
  lines: number;
  most_frequent: { word: string; count: number }[];
}

const countWords: ToolDefinition<Arguments, Counts> = {
  name: "count_words",
  title: "Count words",
  description:
    "Counts the words and lines of a text, and finds its most frequent words. Use it instead of counting by hand.",
  annotations: { readOnly: true, idempotent: true, openWorld: false },
  inputSchema: {
    type: "object",
    properties: {
      text: { type: "string", maxLength: 1_000_000, description: "The text" },
      top: {
        type: "integer",
        minimum: 0,
        maximum: 100,
        default: 5,
        description: "How many of the most frequent words to return",
      },
    },
    required: ["text"],
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: {
      words: { type: "integer" },
      lines: { type: "integer" },
      most_frequent: {
        type: "array",
        description: "The most frequent words, in lower case",
        items: {
          type: "object",
          properties: { word: { type: "string" }, count: { type: "integer" } },
          required: ["word", "count"],
        },
      },
    },
    required: ["words", "lines", "most_frequent"],
  },

  run({ text, top = 5 }) {
    const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
    if (words.length === 0) throw new InvalidArguments("the text has no words");
    const counts = new Map<string, number>();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    const most_frequent = [...counts]
      .map(([word, count]) => ({ word, count }))
      .sort((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1))
      .slice(0, top);
    return { words: words.length, lines: text.split("\n").length, most_frequent };
  },
};

export const tool = component([countWords]);
