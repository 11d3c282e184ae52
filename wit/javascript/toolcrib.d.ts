// MCP tools from JavaScript and TypeScript functions.
//
//     import { component } from "../wit/javascript/toolcrib.js";
//
//     export const tool = component([
//       {
//         name: "shout",
//         description: "Returns the text in capitals.",
//         inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
//         run: ({ text }: { text: string }) => text.toUpperCase(),
//       },
//     ]);
//
// `tool` is the export of the component. The host compares arguments and structured content with the schemas.

/** A JSON Schema 2020-12. */
export type Schema = { [keyword: string]: unknown };

/** A tool. */
export interface ToolDefinition<A = never, R = unknown> {
  /** 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  name: string;
  title?: string;
  /** Tells the model when and how to call the tool. */
  description: string;
  /** Of the type `object`. */
  inputSchema: Schema;
  /** Of the structured content. A tool without it returns content. */
  outputSchema?: Schema;
  /** Hints for clients. */
  annotations?: { readOnly?: boolean; destructive?: boolean; idempotent?: boolean; openWorld?: boolean };
  /** A JSON object that the host copies to `_meta`. */
  meta?: { [key: string]: unknown };
  /**
   * Runs one call. With an `outputSchema` it returns the structured content, which is also the text as JSON; without one, content.
   * An `Output` has both.
   *
   * Throw `InvalidArguments` for mistakes that the caller can correct, and `ToolError` for other failures.
   */
  run(args: A): R | Output;
}

/** Returns the exported interface `toolcrib:mcp/tool`. */
export function component(tools: ToolDefinition<never, unknown>[]): object;

/** A failure, in one sentence for the caller and its model. */
export class ToolError extends Error {}

/** A mistake that the caller can correct. */
export class InvalidArguments extends ToolError {}

/** A piece of content. A string is a text. */
export type Content = string | { tag: "image" | "audio" | "link" | "embedded"; val: object };

/** Content and structured content. */
export class Output {
  constructor(content: Content | Content[], structured?: unknown, meta?: { [key: string]: unknown });
}

/** A picture, such as one of the type `image/png`. */
export function image(data: Uint8Array, mediaType: string): Content;

/** An audio clip, such as one of the type `audio/wav`. */
export function audio(data: Uint8Array, mediaType: string): Content;

/** A link to a resource that the client may read. */
export function link(link: { uri: string; name: string; title?: string; description?: string; mediaType?: string }): Content;

/** A resource with its content included. */
export function embedded(uri: string, body: string | Uint8Array, mediaType?: string): Content;

/** Reports progress. `done` increases with each report. */
export function progress(done: number, total?: number, message?: string): void;

/** Writes to the operator's log, and to the client if it has requested log messages. */
export function log(level: "debug" | "info" | "warning" | "error", message: string): void;

/** Returns whether the client has disconnected or cancelled the call. */
export function cancelled(): boolean;

/** Returns the milliseconds until the host stops this call. */
export function timeLeft(): number;

/** Returns the authenticated caller, or undefined if the server runs without authentication. */
export function caller():
  | { issuer: string; subject: string; clientId?: string; scopes: string[]; claims: { [name: string]: unknown } }
  | undefined;

/**
 * Asks the client's user to fill in a form, and returns it; null if the user refuses.
 *
 * A call that asks runs in rounds: the first use of a key throws, which ends the round with the question. The host gets the
 * answer and calls the tool again with the same arguments, and there the same line returns the answer. So everything before a
 * question runs once more; `keep` carries what was expensive to the next round.
 */
export function form<T = { [name: string]: unknown }>(key: string, message: string, requestedSchema: Schema): T | null;

/** Asks the client a question of any MCP method, and returns the method's result. */
export function question(key: string, method: string, params: object): { [name: string]: unknown };

/** Returns whether the client can answer questions of a method. Another question fails the call. */
export function canAsk(method: string): boolean;

/** Keeps bytes for the rounds after the next question. The client can read but not change them. */
export function keep(state: Uint8Array): void;

/** Returns the bytes that an earlier round passed to `keep`. */
export function kept(): Uint8Array | undefined;
