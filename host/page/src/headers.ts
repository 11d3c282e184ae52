// Headers that mirror parts of a message (MCP 2026-07-28, Streamable HTTP: standard and custom headers).

import { isObject, type Json, type JsonObject } from "./protocol";

/** Depth at which annotated properties are searched. */
const MAX_DEPTH = 32;

/** Encodes a value in base64 if a header cannot have it as it is. */
export function headerValue(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value);
  if (isPlain && !/^=\?base64\?.*\?=$/.test(value)) return value;
  return `=?base64?${base64(value)}?=`;
}

/** Returns the base64 of a text in UTF-8. */
export function base64(value: string): string {
  const bytes = new TextEncoder().encode(value);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Returns the headers of the arguments that a tool's schema annotates with `x-mcp-header`. */
export function parameterHeaders(schema: Json | undefined, value: Json | undefined, depth = 0): Record<string, string> {
  const headers: Record<string, string> = {};
  if (!isObject(schema) || !isObject(value) || depth > MAX_DEPTH) return headers;
  const properties = schema["properties"];
  if (!isObject(properties)) return headers;
  for (const [name, property] of Object.entries(properties)) {
    const argument = Object.hasOwn(value, name) ? value[name] : undefined;
    if (!isObject(property) || argument === undefined || argument === null) continue;
    const header = property["x-mcp-header"];
    if (typeof header === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(header) && typeof argument !== "object") {
      headers[`Mcp-Param-${header}`] = headerValue(String(argument));
    }
    Object.assign(headers, parameterHeaders(property, argument, depth + 1));
  }
  return headers;
}

/** Returns the headers of a request. */
export function requestHeaders(method: string, params: JsonObject, schema?: Json): Record<string, string> {
  const name = params["name"] ?? params["uri"];
  return {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": method,
    ...(typeof name === "string" ? { "Mcp-Name": headerValue(name) } : {}),
    ...parameterHeaders(schema, params["arguments"]),
  };
}
