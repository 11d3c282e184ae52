"""The tool `table_stats`: statistics over a table, passed as rows or as CSV text."""

import json
from dataclasses import asdict

from componentize_py_types import Err
from table import BadTable, Group, Table, summarize
from wit_world import exports
from wit_world.imports import types

INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "maxItems": 100_000,
            "items": {"type": "object"},
            "description": "The table as objects, one for each row. Give either rows or csv",
        },
        "csv": {
            "type": "string",
            "description": "The table as CSV text whose first line names the columns. Give either rows or csv",
        },
        "delimiter": {
            "type": "string",
            "enum": [",", ";", "\t", "|"],
            "default": ",",
            "description": "What separates the values in csv",
        },
        "columns": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {"type": "string"},
            "description": "The columns to describe; by default all that hold only numbers",
        },
        "group_by": {
            "type": "array",
            "maxItems": 10,
            "items": {"type": "string"},
            "default": [],
            "description": "Describe the rows separately for each combination of values in these columns",
        },
        "quantiles": {
            "type": "array",
            "maxItems": 20,
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "default": [0.25, 0.75],
            "description": "Which quantiles to compute, 0.9 for the 90th percentile",
        },
    },
    "additionalProperties": False,
}

NUMBER_OR_NULL = {"type": ["number", "null"]}
OUTPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "row_count": {"type": "integer"},
        "groups": {
            "type": "array",
            "description": "One entry without group_by",
            "items": {
                "type": "object",
                "properties": {
                    "key": {"type": "object", "description": "The values that the rows share"},
                    "row_count": {"type": "integer"},
                    "columns": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "properties": {
                                "count": {"type": "integer", "description": "Rows that have a number"},
                                "missing": {"type": "integer", "description": "Rows that have none"},
                                "sum": NUMBER_OR_NULL,
                                "mean": NUMBER_OR_NULL,
                                "stdev": NUMBER_OR_NULL | {"description": "Of a sample; null for fewer than 2"},
                                "min": NUMBER_OR_NULL,
                                "median": NUMBER_OR_NULL,
                                "max": NUMBER_OR_NULL,
                                "quantiles": {"type": "object", "additionalProperties": NUMBER_OR_NULL},
                            },
                            "required": [
                                "count", "missing", "sum", "mean", "stdev", "min", "median", "max", "quantiles",
                            ],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["key", "row_count", "columns"],
                "additionalProperties": False,
            },
        },
        "skipped": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Columns left out because they hold other than numbers",
        },
    },
    "required": ["row_count", "groups", "skipped"],
    "additionalProperties": False,
}  # fmt: skip

DEFINITION = types.Definition(
    name="table_stats",
    title="Table statistics",
    description=(
        "Computes count, sum, mean, standard deviation, minimum, median, maximum and quantiles of the numeric columns "
        "of a table, for all rows or for each group of rows. Takes the table as rows (objects) or as CSV text. Use it "
        "instead of calculating by hand."
    ),
    input_schema=json.dumps(INPUT_SCHEMA),
    output_schema=json.dumps(OUTPUT_SCHEMA),
    annotations=types.Annotations(read_only=True, destructive=False, idempotent=True, open_world=False),
    icons=[],
    meta=None,
)


class Tool(exports.Tool):
    """The exported interface `toolcrib:mcp/tool`."""

    def definitions(self) -> list[types.Definition]:
        return [DEFINITION]

    def call(self, request: types.Request) -> types.Outcome:
        if request.tool != DEFINITION.name:
            raise Err(types.Error_InvalidArguments(f"there is no tool named {request.tool}"))
        try:
            return table_stats(json.loads(request.arguments))
        except BadTable as error:
            raise Err(types.Error_InvalidArguments(str(error))) from None
        # json.dumps raises ValueError for an infinite result, which JSON cannot represent.
        except (OverflowError, ValueError):
            raise Err(types.Error_Failed("the numbers are too large to calculate with")) from None


def table_stats(arguments: dict) -> types.Outcome:
    """Runs one call. Raises BadTable if the arguments are invalid."""
    if ("rows" in arguments) == ("csv" in arguments):
        raise BadTable("give either rows or csv")
    if "rows" in arguments:
        table = Table.from_rows(arguments["rows"])
    else:
        table = Table.from_csv(arguments["csv"], arguments.get("delimiter", ","))
    groups, skipped = summarize(
        table, arguments.get("columns"), arguments.get("group_by", []), arguments.get("quantiles", [0.25, 0.75])
    )
    structured = {"row_count": table.row_count, "groups": [asdict(group) for group in groups], "skipped": skipped}
    return types.Outcome_Complete(
        types.Output(
            content=[types.Content(types.Block_Text(as_text(groups, skipped)), None)],
            structured=json.dumps(structured, allow_nan=False),
            meta=None,
        )
    )


def as_text(groups: list[Group], skipped: list[str]) -> str:
    """Returns a Markdown table with one line per column and group."""
    lines: list[list] = []
    for group in groups:
        for name, summary in group.columns.items():
            numbers = asdict(summary)
            quantiles = numbers.pop("quantiles")
            if not lines:
                lines.append([*group.key, "column", *numbers, *(f"quantile {p}" for p in quantiles)])
                lines.append(["---"] * len(lines[0]))
            lines.append([*group.key.values(), name, *numbers.values(), *quantiles.values()])
    text = "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) or "There is no column of numbers."
    if skipped:
        text += f"\n\nNot numbers: {', '.join(skipped)}"
    return text


def cell(value) -> str:
    """Formats a value as the content of a Markdown table cell."""
    if value is None:
        return ""
    return format(value, ".10g") if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
