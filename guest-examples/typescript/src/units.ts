// Units and their conversion, independent of MCP.

export interface Unit {
  symbol: string;
  name: string;
  quantity: string;
  // The size in the base unit of the quantity, which is the first.
  size: number;
  // The value in the base unit at which this unit has 0. Only temperatures have one.
  zero: number;
}

type Entry = [symbol: string, name: string, size: number, zero?: number];

const INCH = 0.0254;
const POUND = 0.45359237;
const GALLON = 231 * INCH ** 3 * 1000;

const QUANTITIES: Record<string, Entry[]> = {
  length: [
    ["m", "metre", 1],
    ["mm", "millimetre", 0.001],
    ["cm", "centimetre", 0.01],
    ["km", "kilometre", 1000],
    ["in", "inch", INCH],
    ["ft", "foot", 12 * INCH],
    ["yd", "yard", 36 * INCH],
    ["mi", "mile", 63360 * INCH],
    ["nmi", "nautical mile", 1852],
  ],
  mass: [
    ["kg", "kilogram", 1],
    ["g", "gram", 0.001],
    ["mg", "milligram", 1e-6],
    ["t", "tonne", 1000],
    ["oz", "ounce", POUND / 16],
    ["lb", "pound", POUND],
    ["st", "stone", 14 * POUND],
  ],
  temperature: [
    ["K", "kelvin", 1],
    ["degC", "degree Celsius", 1, 273.15],
    ["degF", "degree Fahrenheit", 5 / 9, 459.67 * (5 / 9)],
  ],
  volume: [
    ["l", "litre", 1],
    ["ml", "millilitre", 0.001],
    ["m3", "cubic metre", 1000],
    ["gal", "US gallon", GALLON],
    ["pt", "US pint", GALLON / 8],
    ["cup", "US cup", GALLON / 16],
    ["floz", "US fluid ounce", GALLON / 128],
  ],
  area: [
    ["m2", "square metre", 1],
    ["ha", "hectare", 10_000],
    ["km2", "square kilometre", 1e6],
    ["ft2", "square foot", (12 * INCH) ** 2],
    ["acre", "acre", 43560 * (12 * INCH) ** 2],
  ],
  speed: [
    ["m/s", "metre per second", 1],
    ["km/h", "kilometre per hour", 1 / 3.6],
    ["mph", "mile per hour", (63360 * INCH) / 3600],
    ["kn", "knot", 1852 / 3600],
  ],
  time: [
    ["s", "second", 1],
    ["min", "minute", 60],
    ["h", "hour", 3600],
    ["d", "day", 86_400],
    ["wk", "week", 604_800],
  ],
  energy: [
    ["J", "joule", 1],
    ["kJ", "kilojoule", 1000],
    ["kcal", "kilocalorie", 4184],
    ["kWh", "kilowatt hour", 3.6e6],
  ],
  pressure: [
    ["Pa", "pascal", 1],
    ["hPa", "hectopascal", 100],
    ["bar", "bar", 100_000],
    ["atm", "atmosphere", 101_325],
    ["psi", "pound per square inch", (POUND * 9.80665) / INCH ** 2],
  ],
  data: [
    ["B", "byte", 1],
    ["kB", "kilobyte", 1000],
    ["MB", "megabyte", 1e6],
    ["GB", "gigabyte", 1e9],
    ["KiB", "kibibyte", 1024],
    ["MiB", "mebibyte", 1024 ** 2],
    ["GiB", "gibibyte", 1024 ** 3],
  ],
};

export const QUANTITY_NAMES = Object.keys(QUANTITIES);

export const UNITS: Unit[] = Object.entries(QUANTITIES).flatMap(([quantity, entries]) =>
  entries.map(([symbol, name, size, zero = 0]) => ({ symbol, name, quantity, size, zero })),
);

// Finds a unit by its symbol, or by its name in the singular or plural.
export function findUnit(text: string): Unit | undefined {
  const name = text.toLowerCase();
  return (
    UNITS.find((unit) => unit.symbol === text) ??
    UNITS.find((unit) => [unit.name, `${unit.name}s`].some((known) => known.toLowerCase() === name))
  );
}

// Converts a value between units of the same quantity. The result has 12 digits, because more are rounding errors.
export function convert(value: number, from: Unit, to: Unit): number {
  const inBase = value * from.size + from.zero;
  return Number(((inBase - to.zero) / to.size).toPrecision(12));
}
