// What the component exports: the two functions of the interface `toolcrib:mcp/tool`.

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

  // What is thrown here is the `err` of the WIT result. Of an exception that is none of its cases the host would see
  // only that the component broke down.
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

// A finished call: text for clients that read only text, and the same as data.
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
