// The part of MCP 2026-07-28 that the page uses. Everything here comes from the server or a tool and is untrusted.

export const PROTOCOL_VERSION = "2026-07-28";
export const META = "io.modelcontextprotocol/";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Tool {
  name: string;
  title?: string;
  description?: string;
  inputSchema?: Json;
  annotations?: JsonObject;
}

export interface Prompt {
  name: string;
  title?: string;
  description?: string;
  arguments?: { name: string; title?: string; description?: string; required?: boolean }[];
}

/** A resource, or a template of resources if it has `uriTemplate`. */
export interface Resource {
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  uri?: string;
  uriTemplate?: string;
}

export interface ServerInfo {
  name: string;
  version: string;
  instructions: string;
  /** Whether its lists may change while it runs. */
  changes: boolean;
}

/** A question of a tool: a form, or a page to visit. */
export interface Question {
  method: string;
  params: JsonObject;
}

export type Answer = { action: "accept"; content?: JsonObject } | { action: "decline" | "cancel" };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function list(value: unknown): Json[] {
  return Array.isArray(value) ? value : [];
}
