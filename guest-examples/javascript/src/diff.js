import { formatPatch, OMIT_HEADERS, structuredPatch } from "diff";

import { Output, ToolError } from "../../../wit/javascript/toolcrib.js";

// Added and removed lines. The running time grows with their square; this many take about three seconds.
const MAX_CHANGED_LINES = 1500;

const nameSchema = (fallback, which) => ({
  type: "string",
  minLength: 1,
  maxLength: 200,
  pattern: "^[^\\r\\n\\t]*$",
  default: fallback,
  description: `What the diff calls the ${which} text, a file name for example`,
});

export const textDiff = {
  name: "text_diff",
  title: "Text difference",
  description:
    "Compares two texts line by line and returns the difference as a unified diff, with the number of added and " +
    "removed lines. Use it to see or to show exactly what changed between two versions of a text or a program.",
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  inputSchema: {
    type: "object",
    properties: {
      before: { type: "string", maxLength: 500_000, description: "The old text" },
      after: { type: "string", maxLength: 500_000, description: "The new text" },
      before_name: nameSchema("before", "old"),
      after_name: nameSchema("after", "new"),
      context: {
        type: "integer",
        minimum: 0,
        maximum: 1000,
        default: 3,
        description: "Unchanged lines shown around each change",
      },
      ignore_whitespace: {
        type: "boolean",
        default: false,
        description: "Whether lines count as equal that differ only in white space at their start and end",
      },
    },
    required: ["before", "after"],
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: {
      identical: { type: "boolean", description: "Whether nothing differs" },
      added: { type: "integer", minimum: 0, description: "Lines only in the new text" },
      removed: { type: "integer", minimum: 0, description: "Lines only in the old text" },
      diff: { type: "string", description: "The unified diff; empty if nothing differs" },
    },
    required: ["identical", "added", "removed", "diff"],
    additionalProperties: false,
  },

  run({
    before,
    after,
    before_name = "before",
    after_name = "after",
    context = 3,
    ignore_whitespace = false,
  }) {
    const patch = structuredPatch("", "", before, after, undefined, undefined, {
      context,
      ignoreWhitespace: ignore_whitespace,
      maxEditLength: MAX_CHANGED_LINES,
    });
    if (!patch) {
      throw new ToolError(`more than ${MAX_CHANGED_LINES} lines were added or removed; compare smaller parts`);
    }
    const lines = patch.hunks.flatMap((hunk) => hunk.lines);
    const added = lines.filter((line) => line.startsWith("+")).length;
    const removed = lines.filter((line) => line.startsWith("-")).length;
    const identical = patch.hunks.length === 0;
    // The library would quote the names like git, which needs a TextEncoder. QuickJS has none, so the headers are added
    // here.
    const diff = identical ? "" : `--- ${before_name}\n+++ ${after_name}\n${formatPatch(patch, OMIT_HEADERS)}`;
    return new Output(identical ? "Nothing differs." : diff, { identical, added, removed, diff });
  },
};
