import MarkdownIt from "markdown-it";

import { Output, ToolError } from "../../../wit/javascript/toolcrib.js";

// The result contains the HTML twice, as text and as structured content, and hosts limit the size of a result.
const MAX_HTML_CHARACTERS = 1_000_000;

// Created when the component is built, so calls find it in memory. `html: false` is the default; it is explicit here
// because it makes the result safe to embed.
const renderer = new MarkdownIt({ html: false });
// The first address of each kind compiles large regular expressions, for 40 ms.
renderer.set({ linkify: true }).render("https://example.com //example.com mailto:a@example.com b@example.com");

export const markdownToHtml = {
  name: "markdown_to_html",
  title: "Markdown to HTML",
  description:
    "Converts Markdown (CommonMark with tables and strikethrough) to an HTML fragment. The result is safe to embed: " +
    "HTML inside the Markdown is escaped, and links with dangerous schemes such as javascript: stay text.",
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  inputSchema: {
    type: "object",
    properties: {
      markdown: { type: "string", maxLength: 100_000, description: "The Markdown text" },
      breaks: { type: "boolean", default: false, description: "Whether a line break becomes <br>" },
      linkify: { type: "boolean", default: true, description: "Whether bare web addresses become links" },
    },
    required: ["markdown"],
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: { html: { type: "string", description: "The HTML fragment" } },
    required: ["html"],
    additionalProperties: false,
  },

  run({ markdown, breaks = false, linkify = true }) {
    const html = renderer.set({ breaks, linkify }).render(markdown);
    if (html.length > MAX_HTML_CHARACTERS) {
      throw new ToolError(`the HTML has ${html.length} characters, more than ${MAX_HTML_CHARACTERS}`);
    }
    return new Output(html, { html });
  },
};
