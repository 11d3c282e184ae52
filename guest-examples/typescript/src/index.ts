// The tools `convert_units` and `list_units`, whose results are tables. `tool` is the export of the component.

import { component, InvalidArguments, Output, type ToolDefinition } from "../../../wit/javascript/toolcrib.js";
import { convert, findUnit, QUANTITY_NAMES, type Unit, UNITS } from "./units.js";

const MAX_VALUES = 1000;

const annotations = { readOnly: true, destructive: false, idempotent: true, openWorld: false };

interface ConvertArguments {
  values: number[];
  from: string;
  to?: string[];
}

interface Conversions {
  quantity: string;
  from: string;
  rows: { value: number; results: { unit: string; value: number }[] }[];
}

const convertUnits: ToolDefinition<ConvertArguments, Conversions> = {
  name: "convert_units",
  title: "Convert units",
  description:
    "Converts values from one unit to others of the same quantity (length, mass, temperature and so on) and returns a table " +
    "with a row for each value. Use it instead of calculating by hand.",
  annotations,
  inputSchema: {
    type: "object",
    properties: {
      values: {
        type: "array",
        minItems: 1,
        maxItems: MAX_VALUES,
        items: { type: "number" },
        description: "The values to convert",
      },
      from: { type: "string", maxLength: 40, description: "The unit of the values: a symbol such as km, or a name" },
      to: {
        type: "array",
        minItems: 1,
        maxItems: 20,
        items: { type: "string", maxLength: 40 },
        description: "The units to convert to; by default all of the quantity",
      },
    },
    required: ["values", "from"],
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: {
      quantity: { type: "string", enum: QUANTITY_NAMES },
      from: { type: "string", description: "The symbol of the unit of the values" },
      rows: {
        type: "array",
        description: "One row for each value",
        items: {
          type: "object",
          properties: {
            value: { type: "number" },
            results: {
              type: "array",
              items: {
                type: "object",
                properties: { unit: { type: "string" }, value: { type: "number" } },
                required: ["unit", "value"],
                additionalProperties: false,
              },
            },
          },
          required: ["value", "results"],
          additionalProperties: false,
        },
      },
    },
    required: ["quantity", "from", "rows"],
    additionalProperties: false,
  },

  run({ values, from, to }) {
    const source = known(from);
    const targets = to?.map(known) ?? UNITS.filter((unit) => unit.quantity === source.quantity && unit !== source);
    const other = targets.find((unit) => unit.quantity !== source.quantity);
    if (other) {
      throw new InvalidArguments(
        `${source.symbol} measures ${source.quantity} and ${other.symbol} measures ${other.quantity}; ` +
          "convert between units of one quantity",
      );
    }
    const rows = values.map((value) => ({
      value,
      results: targets.map((unit) => ({ unit: unit.symbol, value: finite(convert(value, source, unit), value) })),
    }));
    const table = markdown(
      [source.symbol, ...targets.map((unit) => unit.symbol)],
      rows.map((row) => [row.value, ...row.results.map((result) => result.value)]),
    );
    return new Output(table, { quantity: source.quantity, from: source.symbol, rows });
  },
};

interface UnitList {
  units: { symbol: string; name: string; quantity: string }[];
}

const listUnits: ToolDefinition<{ quantity?: string }, UnitList> = {
  name: "list_units",
  title: "List units",
  description: "Returns a table of the units that convert_units knows.",
  annotations,
  inputSchema: {
    type: "object",
    properties: {
      quantity: { type: "string", enum: QUANTITY_NAMES, description: "Return only units of this quantity" },
    },
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: {
      units: {
        type: "array",
        items: {
          type: "object",
          properties: { symbol: { type: "string" }, name: { type: "string" }, quantity: { type: "string" } },
          required: ["symbol", "name", "quantity"],
          additionalProperties: false,
        },
      },
    },
    required: ["units"],
    additionalProperties: false,
  },

  run({ quantity }) {
    const units = UNITS.filter((unit) => quantity === undefined || unit.quantity === quantity).map(
      ({ symbol, name, quantity }) => ({ symbol, name, quantity }),
    );
    const table = markdown(
      ["symbol", "name", "quantity"],
      units.map((unit) => [unit.symbol, unit.name, unit.quantity]),
    );
    return new Output(table, { units });
  },
};

export const tool = component([convertUnits, listUnits]);

function known(text: string): Unit {
  const unit = findUnit(text);
  if (!unit) throw new InvalidArguments(`there is no unit ${JSON.stringify(text)}; list_units returns all`);
  return unit;
}

function finite(result: number, value: number): number {
  if (!Number.isFinite(result)) throw new InvalidArguments(`${value} is too large to convert`);
  return result;
}

function markdown(header: string[], rows: (string | number)[][]): string {
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
