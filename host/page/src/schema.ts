// Reads a JSON Schema for a form. Only references within the schema are followed; everything that has no form of its own
// is edited as JSON. The server validates the arguments, so the form need not.

import { isObject, list, text, type Json, type JsonObject } from "./protocol";

/** References followed one after the other. */
const MAX_REFERENCES = 16;
/** Depth of nested forms; below it values are edited as JSON. */
export const MAX_FORM_DEPTH = 8;
/** Parts of a form that are filled in at first; a schema may refer to itself many times. */
const MAX_INITIAL_PARTS = 500;
/** Choices offered in a form. */
const MAX_CHOICES = 1_000;

export interface Choice {
  value: Json;
  label: string;
}

export type Field =
  | { kind: "text"; format: string; isLong: boolean }
  | { kind: "number"; isInteger: boolean }
  | { kind: "boolean" }
  | { kind: "choice"; choices: Choice[] }
  | { kind: "choices"; choices: Choice[] }
  | { kind: "list"; items: JsonObject }
  | { kind: "object"; properties: [string, JsonObject][]; required: Set<string> }
  | { kind: "variants"; variants: JsonObject[] }
  | { kind: "json" };

/** A value that is not complete yet, with what was typed and a sentence. */
export class Invalid {
  constructor(
    readonly typed: string,
    readonly problem: string,
  ) {}
}

/** The value of a form; `undefined` for a part that is left out. */
export type Value = Json | Invalid | undefined | Value[] | { [key: string]: Value };

/** Follows `$ref` and merges `allOf`. */
export function resolve(schema: Json | undefined, root: JsonObject): JsonObject {
  let current = schema;
  for (let count = 0; count < MAX_REFERENCES && isObject(current); count++) {
    const reference = current["$ref"];
    if (typeof reference === "string") {
      const { $ref: _, ...rest } = current;
      const target = pointer(reference, root);
      if (!isObject(target)) return rest;
      current = { ...target, ...rest };
      continue;
    }
    const parts = list(current["allOf"]).filter(isObject);
    if (parts.length === 0) return current;
    const { allOf: _, ...rest } = current;
    const merged: JsonObject = {};
    for (const part of [...parts.map((part) => ("$ref" in part ? resolveOnce(part, root) : part)), rest]) {
      const properties = { ...asObject(merged["properties"]), ...asObject(part["properties"]) };
      const required = [...list(merged["required"]), ...list(part["required"])];
      Object.assign(merged, part);
      if (Object.keys(properties).length > 0) merged["properties"] = properties;
      if (required.length > 0) merged["required"] = required;
    }
    current = merged;
  }
  return isObject(current) ? current : {};
}

function resolveOnce(schema: JsonObject, root: JsonObject): JsonObject {
  const target = pointer(text(schema["$ref"]), root);
  const { $ref: _, ...rest } = schema;
  return { ...asObject(target), ...rest };
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function pointer(reference: string, root: JsonObject): Json | undefined {
  if (!reference.startsWith("#")) return undefined;
  let current: Json | undefined = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    let key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    try {
      key = decodeURIComponent(key);
    } catch {
      // Not percent-encoded.
    }
    if (Array.isArray(current)) current = current[Number(key)];
    else if (isObject(current) && Object.hasOwn(current, key)) current = current[key];
    else return undefined;
  }
  return current;
}

/** Returns the form of a resolved schema. */
export function field(schema: JsonObject, root: JsonObject, depth: number): Field {
  const options = choices(schema);
  if (options) return { kind: "choice", choices: options };
  const variants = alternatives(schema);
  if (variants.length > 1 && depth < MAX_FORM_DEPTH) return { kind: "variants", variants };
  switch (type(schema)) {
    case "string":
      return {
        kind: "text",
        format: text(schema["format"]),
        isLong: typeof schema["maxLength"] === "number" ? schema["maxLength"] > 200 : !("pattern" in schema),
      };
    case "integer":
      return { kind: "number", isInteger: true };
    case "number":
      return { kind: "number", isInteger: false };
    case "boolean":
      return { kind: "boolean" };
    case "array": {
      const items = resolve(schema["items"], root);
      if (depth >= MAX_FORM_DEPTH || list(schema["prefixItems"]).length > 0) return { kind: "json" };
      const options = choices(items);
      if (options && schema["uniqueItems"] === true && options.length <= 20) return { kind: "choices", choices: options };
      return Object.keys(items).length > 0 ? { kind: "list", items } : { kind: "json" };
    }
    case "object": {
      const properties = Object.entries(asObject(schema["properties"]));
      const isOpen = properties.length === 0 && schema["additionalProperties"] !== false;
      if (depth >= MAX_FORM_DEPTH || (isOpen && depth > 0)) return { kind: "json" };
      return {
        kind: "object",
        properties: properties.map(([name, property]) => [name, asObject(property)]),
        required: new Set(list(schema["required"]).map(text)),
      };
    }
    default:
      return { kind: "json" };
  }
}

function type(schema: JsonObject): string {
  const types = Array.isArray(schema["type"]) ? schema["type"].filter((type) => type !== "null") : [schema["type"]];
  if (types.length === 1 && typeof types[0] === "string") return types[0];
  return isObject(schema["properties"]) ? "object" : "";
}

/** Returns the variants of `oneOf` and `anyOf`, each with what the schema itself says, without that of null. */
function alternatives(schema: JsonObject): JsonObject[] {
  const { oneOf, anyOf, ...rest } = schema;
  const variants = [...list(oneOf), ...list(anyOf)].filter(isObject).filter((variant) => variant["type"] !== "null");
  // A sketch of requirements, such as `anyOf: [{required: […]}]`, is no form of its own.
  if (variants.some((variant) => !("type" in variant || "properties" in variant || "$ref" in variant || "const" in variant))) {
    return [];
  }
  return variants.map((variant) => ({ ...rest, ...variant }));
}

/** Returns what an optional value is where it may also be null: its only variant. */
export function simplify(schema: JsonObject, root: JsonObject): JsonObject {
  const variants = alternatives(schema);
  return variants.length === 1 && variants[0] ? resolve(variants[0], root) : schema;
}

function choices(schema: JsonObject): Choice[] | undefined {
  const label = (value: Json) => (typeof value === "string" ? value : JSON.stringify(value));
  if (Array.isArray(schema["enum"])) {
    const names = list(schema["enumNames"]);
    return schema["enum"]
      .slice(0, MAX_CHOICES)
      .map((value, index) => ({ value, label: text(names[index]) || label(value) }));
  }
  if ("const" in schema) return [{ value: schema["const"] ?? null, label: text(schema["title"]) || label(schema["const"] ?? null) }];
  for (const key of ["oneOf", "anyOf"]) {
    const variants = list(schema[key]).filter(isObject);
    if (variants.length > 0 && variants.every((variant) => "const" in variant)) {
      return variants
        .slice(0, MAX_CHOICES)
        .map((variant) => ({ value: variant["const"] ?? null, label: text(variant["title"]) || label(variant["const"] ?? null) }));
    }
  }
  return undefined;
}

/** Returns the first value of a form: defaults, and what a required part must have. */
export function initial(schema: JsonObject, root: JsonObject, isRequired: boolean, depth = 0, budget = { parts: MAX_INITIAL_PARTS }): Value {
  if (budget.parts-- <= 0) return undefined;
  const resolved = simplify(resolve(schema, root), root);
  if (resolved["default"] !== undefined) return structuredClone(resolved["default"]);
  if (!isRequired) return undefined;
  const form = field(resolved, root, depth);
  switch (form.kind) {
    case "text":
      return form.format === "" ? "" : undefined;
    case "boolean":
      return false;
    case "choice":
      return form.choices.length === 1 ? form.choices[0]?.value : undefined;
    case "choices":
    case "list":
      return [];
    case "object": {
      const value: { [key: string]: Value } = {};
      for (const [name, property] of form.properties) {
        const first = initial(property, root, form.required.has(name), depth + 1, budget);
        if (first !== undefined) define(value, name, first);
      }
      return value;
    }
    case "variants":
      return initial(form.variants[0] ?? {}, root, true, depth + 1, budget) ?? null;
    default:
      return { object: {}, array: [] }[type(resolved)];
  }
}

/** Sets a property, also one that is named `__proto__`. */
export function define(object: { [key: string]: Value }, name: string, value: Value) {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Returns the first problem of a value. */
export function problem(value: Value): string | undefined {
  if (value instanceof Invalid) return value.problem;
  if (typeof value !== "object" || value === null) return undefined;
  for (const part of Object.values(value)) {
    const found = problem(part);
    if (found !== undefined) return found;
  }
  return undefined;
}
