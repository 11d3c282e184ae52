// The exported interface `toolcrib:mcp/tool`.

import { component } from "../../../wit/javascript/toolcrib.js";
import { markdownToHtml } from "./markdown.js";
import { textDiff } from "./diff.js";

export const tool = component([markdownToHtml, textDiff]);
