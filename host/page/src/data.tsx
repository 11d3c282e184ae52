// JSON as a person reads it: a table for a list of objects, else a tree whose parts open.

import { useState } from "preact/hooks";

import { webUrl } from "./markdown";
import { isObject, type Json, type JsonObject } from "./protocol";

const MAX_ROWS = 200;
const MAX_COLUMNS = 30;
const MAX_CELL_CHARACTERS = 300;
const MAX_CHILDREN = 200;
/** Parts of a tree that are open at first. */
const OPEN_DEPTH = 2;

export function Data({ value }: { value: Json }) {
  const rows = table(value);
  if (rows) return <Table rows={rows} />;
  // An object around one list of objects is a named table.
  const entries = isObject(value) ? Object.entries(value) : [];
  const nested = entries.length === 1 && entries[0] ? table(entries[0][1]) : undefined;
  if (nested) {
    return (
      <>
        <p class="caption"><bdi>{entries[0]?.[0]}</bdi>, {nested.length} rows</p>
        <Table rows={nested} />
      </>
    );
  }
  return <div class="tree"><Tree value={value} depth={0} /></div>;
}

/** Returns the rows of a list of objects. */
function table(value: Json): JsonObject[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const rows = value.filter(isObject);
  return rows.length === value.length && rows.some((row) => Object.keys(row).length > 0) ? rows : undefined;
}

function Table({ rows }: { rows: JsonObject[] }) {
  const [shown, setShown] = useState(MAX_ROWS);
  const columns = [...new Set(rows.slice(0, shown).flatMap((row) => Object.keys(row)))].slice(0, MAX_COLUMNS);
  const isNumber = (row: JsonObject, column: string) => !Object.hasOwn(row, column) || typeof row[column] === "number";
  const numbers = new Set(columns.filter((column) => rows.every((row) => isNumber(row, column))));
  const alignment = (column: string) => (numbers.has(column) ? "numeric" : undefined);
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table">
        <table>
          <thead>
            <tr>{columns.map((column) => <th key={column} scope="col" class={alignment(column)}><bdi>{column}</bdi></th>)}</tr>
          </thead>
          <tbody>
            {rows.slice(0, shown).map((row, index) => (
              <tr key={index}>
                {columns.map((column) => {
                  const value = Object.hasOwn(row, column) ? row[column] : undefined;
                  return <td key={column} class={alignment(column)}><Cell value={value} /></td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown && (
        <button type="button" class="small" onClick={() => setShown(shown + MAX_ROWS)}>
          Show more of {rows.length} rows
        </button>
      )}
    </>
  );
}

function Cell({ value }: { value: Json | undefined }) {
  if (value === undefined) return null;
  if (typeof value === "object" && value !== null) {
    const json = JSON.stringify(value);
    return <code>{json.length > MAX_CELL_CHARACTERS ? `${json.slice(0, MAX_CELL_CHARACTERS)}…` : json}</code>;
  }
  return <Leaf value={value} isQuoted={false} />;
}

function Leaf({ value, isQuoted }: { value: null | boolean | number | string; isQuoted: boolean }) {
  if (typeof value !== "string") return <span class="literal">{String(value)}</span>;
  const url = /^https?:\/\//.test(value) ? webUrl(value) : undefined;
  if (url !== undefined) return <a href={url} target="_blank" rel="noopener noreferrer nofollow">{value}</a>;
  return <span class={isQuoted ? "string" : undefined}>{value === "" && isQuoted ? "“”" : value}</span>;
}

/** A value with its parts, which are rendered once they are opened. */
export function Tree({ name, value, depth }: { name?: string; value: Json; depth: number }) {
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH);
  const [shown, setShown] = useState(MAX_CHILDREN);
  const label = name !== undefined && <span class="key"><bdi>{name}</bdi></span>;
  if (typeof value !== "object" || value === null) {
    return <div class="leaf">{label} <Leaf value={value} isQuoted /></div>;
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0) return <div class="leaf">{label} <span class="quiet">{isList ? "[]" : "{}"}</span></div>;
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{label} <span class="quiet">{size}</span></summary>
      {isOpen && (
        <div class="children">
          {entries.slice(0, shown).map(([key, child]) => <Tree key={key} name={key} value={child} depth={depth + 1} />)}
          {entries.length > shown && (
            <button type="button" class="small" onClick={() => setShown(shown + MAX_CHILDREN)}>
              Show more of {entries.length}
            </button>
          )}
        </div>
      )}
    </details>
  );
}
