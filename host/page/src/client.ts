// A client of the MCP endpoint: each request is one POST, whose answer is JSON or an event stream.

import { events } from "./events";
import { requestHeaders } from "./headers";
import { META, PROTOCOL_VERSION, isObject, list, text } from "./protocol";
import type { Json, JsonObject, ServerInfo } from "./protocol";
import { endpoint } from "./settings";

/** Pages of a list; the host has one page for each thousand entries. */
const MAX_PAGES = 100;

/** A failed request, with a sentence for the user. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** The scopes that a token needs, of a 401 or 403. */
    readonly scopes: string,
  ) {
    super(message);
  }
}

/** What a request may have besides its parameters. */
export interface Options {
  signal?: AbortSignal;
  /** Gets the notifications before the result. */
  notified?: (method: string, params: JsonObject) => void;
  /** The input schema of the tool that is called. */
  schema?: Json;
}

let token = "";
let metadataUrl = "";
let lastId = 0;

/** Sets the access token; an empty one signs out. */
export function setToken(value: string) {
  token = value;
}

/** Returns the URL of the protected resource metadata that the last challenge named (RFC 9728, section 5.1). */
export function resourceMetadataUrl(): string {
  return metadataUrl;
}

export function hasToken(): boolean {
  return token !== "";
}

/** Returns the message of a request, as it is sent and as it is shown as code. */
export function message(id: number, method: string, params: JsonObject, wantsEvents: boolean): JsonObject {
  const meta: JsonObject = {
    [`${META}protocolVersion`]: PROTOCOL_VERSION,
    [`${META}clientCapabilities`]: { elicitation: { form: {}, url: {} } },
  };
  if (wantsEvents) {
    meta[`${META}logLevel`] = "debug";
    meta["progressToken"] = id;
  }
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta: meta } };
}

/** Sends a request and returns its result. */
export async function request(method: string, params: JsonObject, options: Options = {}): Promise<JsonObject> {
  const id = ++lastId;
  const headers = requestHeaders(method, params, options.schema);
  if (token !== "") headers["Authorization"] = `Bearer ${token}`;
  const response = await fetch(endpoint, {
    method: "POST",
    headers,
    body: JSON.stringify(message(id, method, params, options.notified !== undefined)),
    signal: options.signal,
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  }).catch((error: unknown) => {
    if (options.signal?.aborted) throw error;
    throw new RequestError("The server does not answer. Check that it runs, then try again.", 0, "");
  });
  if (response.headers.get("content-type")?.startsWith("text/event-stream") && response.body) {
    for await (const event of events(response.body)) {
      const parsed = parse(event);
      if (typeof parsed["method"] !== "string") return result(parsed, response);
      if (isObject(parsed["params"])) options.notified?.(parsed["method"], parsed["params"]);
    }
    throw new RequestError("the server ended the answer before the result", response.status, "");
  }
  return result(parse(await response.text()), response);
}

function parse(json: string): JsonObject {
  try {
    const value: unknown = JSON.parse(json);
    if (isObject(value)) return value;
  } catch {
    // As below.
  }
  return {};
}

function result(answer: JsonObject, response: Response): JsonObject {
  if (isObject(answer["result"])) return answer["result"];
  const error = isObject(answer["error"]) ? answer["error"] : {};
  const sentence = text(error["message"]) || text(answer["error"]) || `the server answered with status ${response.status}`;
  const wait = response.headers.get("retry-after");
  const challenge = response.headers.get("www-authenticate") ?? "";
  metadataUrl = /\bresource_metadata="([^"]*)"/.exec(challenge)?.[1] ?? metadataUrl;
  const scopes = /\bscope="([^"]*)"/.exec(challenge)?.[1] ?? "";
  throw new RequestError(wait ? `${sentence} (in ${wait} s)` : sentence, response.status, scopes);
}

/** Asks for the name of the server and its instructions. */
export async function discover(): Promise<ServerInfo> {
  const found = await request("server/discover", {});
  const meta = isObject(found["_meta"]) ? found["_meta"] : {};
  const info = meta[`${META}serverInfo`] ?? found["serverInfo"];
  const server = isObject(info) ? info : {};
  const capabilities = isObject(found["capabilities"]) ? found["capabilities"] : {};
  return {
    name: text(server["title"]) || text(server["name"]) || "MCP server",
    version: text(server["version"]),
    instructions: text(found["instructions"]),
    changes: Object.values(capabilities).some((offer) => isObject(offer) && offer["listChanged"] === true),
  };
}

/** Returns all entries of a list. A server without entries of this kind may not know the method. */
export async function listAll(method: string, key: string): Promise<JsonObject[]> {
  const entries: JsonObject[] = [];
  let params: JsonObject = {};
  for (let page = 0; page < MAX_PAGES; page++) {
    let found: JsonObject;
    try {
      found = await request(method, params);
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) break;
      throw error;
    }
    entries.push(...list(found[key]).filter(isObject));
    const cursor = text(found["nextCursor"]);
    if (cursor === "") break;
    params = { cursor };
  }
  return entries;
}

/** Calls `changed` after each change of a list, until the stream ends. */
export async function listen(changed: () => void, signal: AbortSignal): Promise<void> {
  const notifications = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const notified = (method: string) => {
    if (method.endsWith("/list_changed")) changed();
  };
  await request("subscriptions/listen", { notifications }, { notified, signal });
}
