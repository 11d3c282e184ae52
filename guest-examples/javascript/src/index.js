// The exported interface `toolcrib:mcp/tool` with its two functions.

import { markdownToHtml } from "./markdown.js";
import { textDiff } from "./diff.js";

const tools = [markdownToHtml, textDiff];

export const tool = {
  definitions() {
    return tools.map((tool) => ({
      name: tool.name,
      title: tool.title,
      description: tool.description,
      inputSchema: JSON.stringify(tool.inputSchema),
      outputSchema: JSON.stringify(tool.outputSchema),
      annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
      icons: [],
      meta: null,
    }));
  },

  // A thrown value becomes the `err` case of the WIT result. An exception that is not one of its cases would crash the
  // component without a message for the caller, so it is converted.
  call(request) {
    const tool = tools.find((tool) => tool.name === request.tool);
    if (!tool) throw { tag: "invalid-arguments", val: `there is no tool named ${request.tool}` };
    try {
      return complete(tool.run(JSON.parse(request.arguments)));
    } catch (error) {
      throw error instanceof Error ? { tag: "failed", val: String(error) } : error;
    }
  },
};

// Returns the outcome of a completed call: text for clients that read only text, and the same as structured content.
function complete({ text, structured }) {
  return {
    tag: "complete",
    val: {
      content: [{ block: { tag: "text", val: text }, audience: null }],
      structured: JSON.stringify(structured),
      meta: null,
    },
  };
}
