"""Tables and their statistics, independent of MCP."""

import csv
import io
import math
from dataclasses import dataclass, field

MAX_GROUPS = 1000


class BadTable(Exception):
    """The table or the arguments are invalid. The message is one sentence for the caller."""


@dataclass
class Table:
    """Values by column; None represents a missing value. Each column has `row_count` values."""

    row_count: int
    columns: dict[str, list]

    @staticmethod
    def from_rows(rows: list[dict]) -> "Table":
        """Creates a table from objects. Absent members and empty strings are missing values."""
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
        """Parses CSV text whose first line names the columns. Skips empty lines, which spreadsheets append."""
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter, strict=True)
        try:
            lines = [line for line in reader if line]
        except csv.Error as error:
            raise BadTable(f"csv, line {reader.line_num}: {error}") from None
        if not lines:
            raise BadTable("csv is empty: its first line names the columns")
        names = [name.strip() for name in lines[0]]
        duplicates = {name for name in names if names.count(name) > 1}
        if duplicates:
            raise BadTable(f"csv names the column {min(duplicates)!r} twice")
        rows = []
        for number, line in enumerate(lines[1:], start=1):
            if len(line) > len(names):
                raise BadTable(f"csv, row {number} has {len(line)} values for {len(names)} columns")
            rows.append({name: value.strip() for name, value in zip(names, line)})
        table = Table.from_rows(rows)
        return Table(table.row_count, {name: table.columns.get(name, []) for name in names})

    def column(self, name: str) -> list:
        """Returns the values of a column. Raises BadTable if it does not exist."""
        if name not in self.columns:
            known = ", ".join(repr(known) for known in list(self.columns)[:20])
            raise BadTable(f"there is no column {name!r}; the columns are {known or 'none'}")
        return self.columns[name]


@dataclass
class Summary:
    """Statistics of one column. All but the counts are None if the column has no numbers."""

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
    """The rows that have the same values in the `group_by` columns."""

    key: dict
    row_count: int
    columns: dict[str, Summary]


def summarize(
    table: Table, names: list[str] | None, group_by: list[str], quantiles: list[float]
) -> tuple[list[Group], list[str]]:
    """Returns the groups in order of first appearance, and the skipped columns, which have values that are not numbers.

    Raises BadTable if a column in `names` has a value that is not a number.
    """
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
    """Returns the key and the row indices of each group."""
    columns = [table.column(name) for name in group_by]
    groups: dict[tuple, tuple[dict, list[int]]] = {}
    for row in range(table.row_count):
        values = [column[row] for column in columns]
        if any(isinstance(value, (list, dict)) for value in values):
            raise BadTable(f"row {row + 1} cannot be grouped: a list or an object is no group")
        # Includes the types, because 1 == True in Python.
        identity = tuple((type(value), value) for value in values)
        if identity not in groups and len(groups) == MAX_GROUPS:
            raise BadTable(f"there are more than {MAX_GROUPS} groups; group by columns with fewer different values")
        groups.setdefault(identity, (dict(zip(group_by, values)), []))[1].append(row)
    if not group_by:
        return [({}, list(range(table.row_count)))]
    return list(groups.values())


def to_numbers(column: list) -> tuple[list[float | None], int | None]:
    """Returns the column as numbers, and the first row (from 1) whose value is not a number, or None."""
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
    """Returns the value as a finite number, or None if it is not one."""
    # In Python a bool is an int, and float() accepts "1_000" and "nan".
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (isinstance(value, str) and "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def summary(column: list[float | None], quantiles: list[float]) -> Summary:
    """Computes the statistics of one column."""
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
        # The sample standard deviation, which is undefined for a single value.
        stdev=math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1)) if count > 1 else None,
        min=ordered[0],
        median=quantile(ordered, 0.5),
        max=ordered[-1],
        quantiles={format(p, "g"): quantile(ordered, p) for p in quantiles},
    )


def quantile(ordered: list[float], p: float) -> float:
    """Interpolates linearly between the two nearest values, like PERCENTILE.INC of spreadsheets."""
    position = (len(ordered) - 1) * p
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
