"""The tool `table_stats`: statistics over a table, passed as rows or as CSV text."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from table import BadTable, Group, Table, summarize
from toolcrib_guest import InvalidArguments, Output, Schema, Tool, ToolError, tool, warm_up

__all__ = ["Tool"]

Quantile = Annotated[float, Schema(minimum=0, maximum=1)]


@dataclass
class Report:
    """
    Attributes:
        groups: One entry without group_by.
        skipped: Columns left out because they hold other than numbers.
    """

    row_count: int
    groups: list[Group]
    skipped: list[str]


@tool(title="Table statistics", read_only=True, destructive=False, idempotent=True, open_world=False)
def table_stats(
    rows: Annotated[list[dict[str, Any]], Schema(maxItems=100_000)] | None = None,
    csv: str | None = None,
    delimiter: Literal[",", ";", "\t", "|"] = ",",
    columns: Annotated[list[str], Schema(minItems=1, maxItems=100)] | None = None,
    group_by: Annotated[list[str], Schema(maxItems=10)] = [],
    quantiles: Annotated[list[Quantile], Schema(maxItems=20)] = [0.25, 0.75],
) -> Output[Report]:
    """Computes count, sum, mean, standard deviation, minimum, median, maximum and quantiles of the numeric columns of a
    table, for all rows or for each group of rows. Takes the table as rows (objects) or as CSV text. Use it instead of
    calculating by hand.

    Args:
        rows: The table as objects, one for each row. Give either rows or csv.
        csv: The table as CSV text whose first line names the columns. Give either rows or csv.
        delimiter: The character between the values in csv.
        columns: The columns to describe; by default all that hold only numbers.
        group_by: Describe the rows separately for each combination of values in these columns.
        quantiles: The quantiles to compute, 0.9 for the 90th percentile.
    """
    try:
        if (rows is None) == (csv is None):
            raise BadTable("give either rows or csv")
        table = Table.from_csv(csv, delimiter) if rows is None else Table.from_rows(rows)
        groups, skipped = summarize(table, columns, group_by, quantiles)
    except BadTable as error:
        raise InvalidArguments(str(error)) from None
    except OverflowError:
        raise ToolError("the numbers are too large to calculate with") from None
    return Output(as_text(groups, skipped), Report(table.row_count, groups, skipped))


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


warm_up(table_stats, csv="name,size\na,1\nb,2.5\n")
warm_up(table_stats, rows=[{"name": "a", "size": 1}, {"name": "b", "size": 2.5}], group_by=["name"])
