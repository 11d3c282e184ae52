// MCP tools from JavaScript and TypeScript functions. `toolcrib.d.ts` has the types and the documentation.

import host from "toolcrib:mcp/call@0.1.1";

export class ToolError extends Error {}

export class InvalidArguments extends ToolError {}

export class Output {
  constructor(content, structured, meta) {
    this.content = content;
    this.structured = structured;
    this.meta = meta;
  }
}

export function component(tools) {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  return {
    definitions: () => tools.map(definition),
    call(request) {
      try {
        const tool = byName.get(request.tool);
        if (!tool) throw new InvalidArguments(`there is no tool named ${request.tool}`);
        round = { answers: new Map(request.answers.map(({ key, value }) => [key, value])), state: request.state };
        return { tag: "complete", val: output(tool, tool.run(JSON.parse(request.arguments))) };
      } catch (error) {
        if (error instanceof Asked) {
          return { tag: "input-required", val: { asked: [error.question], state: round.state } };
        }
        // A thrown value with a tag becomes the `err` case of the WIT result. Any other would crash the component.
        if (error instanceof InvalidArguments) throw { tag: "invalid-arguments", val: error.message };
        if (error instanceof ToolError) throw { tag: "failed", val: error.message };
        host.log("error", `${error}\n${error?.stack ?? ""}`);
        throw { tag: "failed", val: String(error) };
      }
    },
  };
}

function definition(tool) {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: JSON.stringify(tool.inputSchema),
    outputSchema: tool.outputSchema && JSON.stringify(tool.outputSchema),
    annotations: tool.annotations,
    icons: [],
    meta: tool.meta && JSON.stringify(tool.meta),
  };
}

function output(tool, value) {
  if (!(value instanceof Output)) value = tool.outputSchema ? new Output(JSON.stringify(value), value) : new Output(value);
  return {
    content: [value.content ?? []].flat().map(content),
    structured: value.structured === undefined ? undefined : JSON.stringify(value.structured),
    meta: value.meta && JSON.stringify(value.meta),
  };
}

function content(block) {
  if (typeof block === "string") return { block: { tag: "text", val: block } };
  if (block?.tag && block.val) return { block };
  throw new ToolError("the tool returned a value that is not content; a tool with structured content needs an outputSchema");
}

export const image = (data, mediaType) => ({ tag: "image", val: { data, mediaType } });

export const audio = (data, mediaType) => ({ tag: "audio", val: { data, mediaType } });

export const link = (link) => ({ tag: "link", val: link });

export const embedded = (uri, body, mediaType) => ({
  tag: "embedded",
  val: { uri, mediaType, body: { tag: typeof body === "string" ? "text" : "binary", val: body } },
});

export const progress = (done, total, message) => host.progress(done, total, message);

export const log = (level, message) => host.log(level, message);

export const cancelled = () => host.cancelled();

export const timeLeft = () => Number(host.timeLeft());

// The engine passes an absent value as null.
export function caller() {
  const found = host.caller();
  return found ? { ...found, claims: JSON.parse(found.claims) } : undefined;
}

// The answers of earlier rounds, and the state that is returned with the next question.
let round = { answers: new Map(), state: undefined };

class Asked extends Error {
  constructor(question) {
    super(question.key);
    this.question = question;
  }
}

export function question(key, method, params) {
  if (!round.answers.has(key)) throw new Asked({ key, method, params: JSON.stringify(params) });
  return JSON.parse(round.answers.get(key));
}

export function form(key, message, requestedSchema) {
  const answer = question(key, "elicitation/create", { message, requestedSchema });
  return answer.action === "accept" ? (answer.content ?? {}) : null;
}

export const canAsk = (method) => host.canAsk(method);

export function keep(state) {
  round.state = state;
}

export const kept = () => round.state ?? undefined;
