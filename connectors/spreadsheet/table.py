"""What a table is, whatever file holds it: headers, rows by key, and values as JSON.

Dates are text (`2026-03-01`), moments are text with a zone, numbers and booleans are themselves.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from connectors.sdk import ConfigError
from connectors.sdk.tables import CellError, as_date, as_moment, plain

FieldType = Literal["text", "number", "boolean", "date", "datetime"]
TEXT_LIMIT = 32_767
"""Characters a cell of Excel holds."""

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What a text must not begin with where a program might take it for a formula."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a file the table is, and how to read it."""

    key: str = "ID"
    sheet: str | None = None
    header_row: int = 1
    timezone: str = "UTC"
    encoding: str | None = None
    delimiter: str | None = None
    max_unpacked: int = 200_000_000

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Row:
    """One row that has a key."""

    key: str
    data: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Changes when any value of the row does. A new column changes no row until something
        stands in it.
        """
        filled = {name: value for name, value in self.data.items() if value is not None}
        text = json.dumps([self.key, filled], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Damaged(ConfigError):
    """A file that cannot be read as what it should be: cut short, or being written."""


class Table:
    """A file in memory. `columns` is header to column, counted from 1, left to right."""

    def __init__(self, name: str, layout: Layout) -> None:
        self.name = name
        self.layout = layout
        self.columns: dict[str, int] = {}

    @property
    def key_column(self) -> int:
        column = self.columns.get(self.layout.key)
        if column is None:
            known = ", ".join(self.columns) or "none"
            raise ConfigError(
                f"{self.name} has no column '{self.layout.key}' in row {self.layout.header_row}; "
                f"its headers: {known}. Add the column, or set key (and header_row)."
            )
        return column


class Reader(Table, ABC):
    """A table that is read row by row, so that its size costs time and no memory."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Rows with a key, top to bottom; of several with one key only the first. Can be asked for
        again.
        """

    def about(self) -> int | None:
        """About how many rows there are, without reading them; None where that is not told."""
        return None

    def choices(self) -> Mapping[str, Sequence[str]]:
        """Columns whose cells offer a list to choose from."""
        return {}


class Editor(Table, ABC):
    """A table that is changed in memory and written as a whole."""

    def __init__(self, name: str, layout: Layout) -> None:
        super().__init__(name, layout)
        self.right = 0
        """The last column that holds anything, with or without a header."""

    @abstractmethod
    def write(self, key: str, values: Mapping[str, Any]) -> None:
        """Change the row of this key, or append it. Raises CellError before anything changed."""

    @abstractmethod
    def dump(self) -> bytes:
        """The whole file."""

    @abstractmethod
    def add_column(self, header: str, column: int) -> None:
        """Write a new header."""

    def column_of(self, header: str) -> int:
        """The column of a header; a new one at the right end if there is none."""
        if header not in self.columns:
            self.right = max(self.right, *self.columns.values(), 0) + 1
            self.columns[header] = self.right
            self.add_column(header, self.columns[header])
        return self.columns[header]


class Kind:
    """The type that the values of a column have in common; text where they differ."""

    def __init__(self, layout: Layout) -> None:
        self._zone = layout.zone
        self._left: set[FieldType] = {"boolean", "number", "date", "datetime"}
        self._empty = True

    def add(self, value: Any) -> None:
        if value is None:
            return
        self._empty = False
        if self._left:
            self._left &= self._of(value)

    def _of(self, value: Any) -> set[FieldType]:
        if isinstance(value, bool):
            return {"boolean"}
        if isinstance(value, int | float):
            return {"number"}
        if as_date(value):
            return {"date"}
        return {"datetime"} if as_moment(value, self._zone) else set()

    def name(self) -> FieldType:
        return next(iter(self._left)) if len(self._left) == 1 and not self._empty else "text"


def moment_text(value: datetime, zone: ZoneInfo) -> str:
    """A cell's local time as a moment with its zone; files know no zone and count in fractions."""
    rounded = datetime.fromtimestamp(round(value.replace(tzinfo=zone).timestamp()), zone)
    return rounded.isoformat()


def ready(values: Mapping[str, Any]) -> dict[str, Any]:
    """All of a row's values as cells can hold them. Raises CellError that names the field."""
    found = {}
    for name, value in values.items():
        try:
            found[name] = plain(value, TEXT_LIMIT)
        except CellError as error:
            raise CellError(str(error), name) from None
    return found
