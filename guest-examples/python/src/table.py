"""Tables and their statistics. Knows nothing of tools or JSON Schema."""

import csv
import io
import math
from dataclasses import dataclass, field

GROUPS_MAX = 1000


class BadTable(Exception):
    """What is wrong with the table or with what is asked of it, in a sentence for the caller."""


@dataclass
class Table:
    """Values by column, None where one is missing. All columns are as long as there are rows."""

    row_count: int
    columns: dict[str, list]

    @staticmethod
    def from_rows(rows: list[dict]) -> "Table":
        columns: dict[str, list] = {}
        for index, row in enumerate(rows):
            for name, value in row.items():
                column = columns.setdefault(name, [])
                column.extend([None] * (index - len(column)))
                column.append(None if value == "" else value)
        for column in columns.values():
            column.extend([None] * (len(rows) - len(column)))
        return Table(len(rows), columns)

    @staticmethod
    def from_csv(text: str, delimiter: str) -> "Table":
        """The first line names the columns. Empty lines are skipped, as spreadsheets leave them at the end."""
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter, strict=True)
        try:
            lines = [line for line in reader if line]
        except csv.Error as error:
            raise BadTable(f"csv, line {reader.line_num}: {error}") from None
        if not lines:
            raise BadTable("csv is empty: its first line names the columns")
        names = [name.strip() for name in lines[0]]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise BadTable(f"csv names the column {min(twice)!r} twice")
        rows = []
        for number, line in enumerate(lines[1:], start=1):
            if len(line) > len(names):
                raise BadTable(f"csv, row {number} has {len(line)} values for {len(names)} columns")
            rows.append({name: value.strip() for name, value in zip(names, line)})
        table = Table.from_rows(rows)
        return Table(table.row_count, {name: table.columns.get(name, []) for name in names})

    def column(self, name: str) -> list:
        if name not in self.columns:
            known = ", ".join(repr(known) for known in list(self.columns)[:20])
            raise BadTable(f"there is no column {name!r}; the columns are {known or 'none'}")
        return self.columns[name]


@dataclass
class Summary:
    """Statistics of one column. All but the counts are None where there is no number."""

    count: int
    missing: int
    sum: float | None = None
    mean: float | None = None
    stdev: float | None = None
    min: float | None = None
    median: float | None = None
    max: float | None = None
    quantiles: dict[str, float | None] = field(default_factory=dict)


@dataclass
class Group:
    """The rows that have the same values in the columns grouped by."""

    key: dict
    row_count: int
    columns: dict[str, Summary]


def summarize(
    table: Table, names: list[str] | None, group_by: list[str], quantiles: list[float]
) -> tuple[list[Group], list[str]]:
    """The groups in the order in which they first appear, and the columns left out because they hold other than
    numbers. Columns that are asked for by name must hold numbers only."""
    numbers: dict[str, list[float | None]] = {}
    skipped = []
    for name in names if names is not None else [name for name in table.columns if name not in group_by]:
        column, bad_row = to_numbers(table.column(name))
        if bad_row is None:
            numbers[name] = column
        elif names is None:
            skipped.append(name)
        else:
            raise BadTable(f"column {name!r} has a value in row {bad_row} that is not a number")
    groups = []
    for key, rows in group_rows(table, group_by):
        columns = {name: summary([column[row] for row in rows], quantiles) for name, column in numbers.items()}
        groups.append(Group(key, len(rows), columns))
    return groups, skipped


def group_rows(table: Table, group_by: list[str]) -> list[tuple[dict, list[int]]]:
    columns = [table.column(name) for name in group_by]
    groups: dict[tuple, tuple[dict, list[int]]] = {}
    for row in range(table.row_count):
        values = [column[row] for column in columns]
        if any(isinstance(value, (list, dict)) for value in values):
            raise BadTable(f"row {row + 1} cannot be grouped: a list or an object is no group")
        # With the types, for 1 and true are equal to Python.
        identity = tuple((type(value), value) for value in values)
        if identity not in groups and len(groups) == GROUPS_MAX:
            raise BadTable(f"there are more than {GROUPS_MAX} groups; group by columns with fewer different values")
        groups.setdefault(identity, (dict(zip(group_by, values)), []))[1].append(row)
    if not group_by:
        return [({}, list(range(table.row_count)))]
    return list(groups.values())


def to_numbers(column: list) -> tuple[list[float | None], int | None]:
    """The column as numbers, and the first row (from 1) whose value is none, if there is one."""
    numbers: list[float | None] = []
    for row, value in enumerate(column, start=1):
        if value is None:
            numbers.append(None)
            continue
        number = to_number(value)
        if number is None:
            return [], row
        numbers.append(number)
    return numbers, None


def to_number(value) -> float | None:
    # A bool is an int to Python, and float() reads "1_000" and "nan".
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (isinstance(value, str) and "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def summary(column: list[float | None], quantiles: list[float]) -> Summary:
    ordered = sorted(value for value in column if value is not None)
    count = len(ordered)
    if not ordered:
        return Summary(0, len(column), quantiles={format(p, "g"): None for p in quantiles})
    total = math.fsum(ordered)
    mean = total / count
    return Summary(
        count=count,
        missing=len(column) - count,
        sum=total,
        mean=mean,
        # Of a sample: one value says nothing of the spread.
        stdev=math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1)) if count > 1 else None,
        min=ordered[0],
        median=quantile(ordered, 0.5),
        max=ordered[-1],
        quantiles={format(p, "g"): quantile(ordered, p) for p in quantiles},
    )


def quantile(ordered: list[float], p: float) -> float:
    """Linear between the two nearest values, as spreadsheets do (PERCENTILE.INC)."""
    place = (len(ordered) - 1) * p
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
