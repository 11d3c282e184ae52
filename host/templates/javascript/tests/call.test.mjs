// Calls the built component through `toolcrib call`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";

// Returns the result of a call, and the exit status.
function call(args) {
  const toolcrib = process.env.TOOLCRIB ?? "toolcrib";
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  const { error, stdout, status } = spawnSync(
    toolcrib,
    ["call", "my-tool.wasm", "count_words", JSON.stringify(args), "--json"],
    options,
  );
  if (error) throw error;
  return { result: JSON.parse(stdout), status };
}

test("words are counted", () => {
  const { result, status } = call({ text: "To be, or not\nto be", top: 2 });
  assert.equal(status, 0, JSON.stringify(result));
  const most_frequent = [
    { word: "be", count: 2 },
    { word: "to", count: 2 },
  ];
  assert.deepEqual(result.structuredContent, { words: 6, lines: 2, most_frequent });
});

test("a text without words is refused", () => {
  const { result, status } = call({ text: "…" });
  assert.equal(status, 1);
  assert.equal(result.content[0].text, "the text has no words");
});
