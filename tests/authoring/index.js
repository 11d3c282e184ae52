// Every kind of result, error, event and question of the library for JavaScript.

import * as toolcrib from "../wit/javascript/toolcrib.js";

const { audio, component, embedded, image, link, Output } = toolcrib;

const plain = { description: "A tool.", inputSchema: { type: "object", properties: {} } };

export const tool = component([
  {
    ...plain,
    name: "asks",
    run() {
      toolcrib.keep(new Uint8Array([1]));
      const schema = { type: "object", properties: { sure: { type: "boolean" } } };
      return String(toolcrib.form("sure", "Really?", schema).sure);
    },
  },
  {
    ...plain,
    name: "content",
    run: () => [
      "text",
      image(new Uint8Array([1, 2]), "image/png"),
      audio(new Uint8Array([1]), "audio/wav"),
      link({ uri: "https://example.com/", name: "x" }),
      embedded("test://x", "inside", "text/plain"),
      embedded("test://y", new Uint8Array([9])),
    ],
  },
  { ...plain, name: "both", outputSchema: { type: "object" }, run: () => new Output("text", { n: 1 }, { m: 2 }) },
  { ...plain, name: "structured", outputSchema: { type: "object" }, run: () => ({ n: 1 }) },
  {
    ...plain,
    name: "works",
    run() {
      toolcrib.progress(1, 2, "half");
      const isRunning = toolcrib.timeLeft() > 0 && !toolcrib.cancelled();
      return `${toolcrib.caller()} ${isRunning} ${toolcrib.canAsk("elicitation/create")}`;
    },
  },
  {
    name: "fails",
    description: "Fails.",
    inputSchema: { type: "object", properties: { how: { type: "string" } } },
    run({ how }) {
      if (how === "tool") throw new toolcrib.ToolError("broken");
      if (how === "arguments") throw new toolcrib.InvalidArguments("wrong");
      return how === "bug" ? undefined.x : 5;
    },
  },
]);
