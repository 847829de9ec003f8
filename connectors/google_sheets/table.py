"""What is in a spreadsheet at one moment: the rows of its sheets, by the key that names each.

Rows have no ids and people move them, so that the key column is all that tells one from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from connectors.google_sheets.cells import ERRORS, UNKNOWN, Cell, Kind, read_cell
from connectors.sdk import ConfigError, PayloadError, Record
from connectors.sdk.paging import digest
from connectors.sdk.tables import headers_of, key_of

ROW = "row"
SHEET = "_sheet"
"""The field that names the sheet of a row, where a connection has several."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in each sheet the table is, from the configuration."""

    key: str
    header_row: int
    max_rows: int
    several: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row of content. `number` counts from 1 as people see it; `key` is "" where none is."""

    key: str
    sheet: Sheet = field(repr=False)
    number: int
    data: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Changes when any value of the row does, or its sheet. The key is left aside, and so is
        what is empty: a new column changes no row until something stands in it.
        """
        key = self.sheet.layout.key
        rest = {name: one for name, one in self.data.items() if name != key and one is not None}
        return digest([self.sheet.title, rest])[:12]

    @property
    def place(self) -> str:
        return f"row {self.number} of '{self.sheet.title}'"

    def cell(self, column: int) -> Any:
        return self.sheet.cell(self.number, column)

    def record(self) -> Record:
        return Record(
            ROW,
            self.key,
            self.data,
            address={"sheet": self.sheet.title},
            url=f"{self.sheet.url}#gid={self.sheet.id}&range={self.number}:{self.number}",
            key=self.key,
        )


@dataclass(frozen=True)
class Sheet:
    """The cells of one sheet. `kinds` and `formats` are by column, those not named are plain."""

    layout: Layout
    title: str
    values: Sequence[Sequence[Cell]]
    id: int = 0
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    kinds: Mapping[int, Kind] = field(default_factory=dict)
    formats: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    url: str = ""

    def cell(self, row: int, column: int) -> Any:
        """What stands there; "" beyond what was given, as Google leaves out what is empty."""
        if row > len(self.values) or column > len(self.values[row - 1]):
            return ""
        return self.values[row - 1][column - 1]

    @cached_property
    def headers(self) -> dict[str, int]:
        """Header to column. Raises ConfigError where the key's is not there."""
        top = self.layout.header_row
        found = headers_of(self.values[top - 1]) if len(self.values) >= top else {}
        if self.layout.key not in found:
            known = ", ".join(found) or "none"
            raise ConfigError(
                f"The sheet '{self.title}' has no column '{self.layout.key}' in row {top}; its "
                f"headers: {known}. Write '{self.layout.key}' into the header of an empty column "
                "(it may be hidden), rename it back, or set key (and header_row)."
            )
        if self.layout.several and SHEET in found:
            raise ConfigError(
                f"The sheet '{self.title}' has a column '{SHEET}', a name that the hub uses: "
                "rename it."
            )
        return found

    def kind(self, header: str) -> Kind:
        return self.kinds.get(self.headers[header], "plain")

    @cached_property
    def rows(self) -> list[Row]:
        """Every row with content, top to bottom. Raises ConfigError, PayloadError."""
        headers, top = self.headers, self.layout.header_row
        if len(self.values) - top > self.layout.max_rows:
            raise ConfigError(
                f"The sheet '{self.title}' has {len(self.values) - top} rows, more than max_rows "
                f"({self.layout.max_rows}). Move old rows to another spreadsheet, or raise it."
            )
        key_column = headers[self.layout.key]
        plan = [(name, at, self.kinds.get(at, "plain")) for name, at in headers.items()]
        found = []
        for number in range(top + 1, len(self.values) + 1):
            line = self.values[number - 1]
            if not any(cell not in ("", None, False, 0) for cell in line):
                continue  # unticked boxes and prepared formulas make no row
            raw = self.cell(number, key_column)
            if isinstance(raw, str) and raw in ERRORS:
                place = f"'{self.title}'!row {number}"
                raise PayloadError(
                    f"The key column '{self.layout.key}' of '{self.title}' shows {raw} in row "
                    f"{number}. Write keys there that are no formulas.",
                    place,
                )
            data: dict[str, Any] = {SHEET: self.title} if self.layout.several else {}
            for name, at, kind in plan:
                value = read_cell(line[at - 1] if at <= len(line) else "", kind, self.zone)
                if value is not UNKNOWN:
                    data[name] = value
            key = key_of(raw)
            if key:
                data[self.layout.key] = key
            if key or any(value is not None for name, value in data.items() if name != SHEET):
                found.append(Row(key, self, number, data))
        return found


@dataclass(frozen=True)
class Table:
    """The sheets of a connection. `known` (key to digest) tells an original from its copies."""

    sheets: Sequence[Sheet]
    known: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Key to row. Of several with one key, the one that is as it was known, else the first."""
        alike: dict[str, list[Row]] = {}
        for row in self._all:
            if row.key:
                alike.setdefault(row.key, []).append(row)
        return {key: self._original(key, rows) for key, rows in alike.items()}

    def _original(self, key: str, rows: Sequence[Row]) -> Row:
        known = self.known.get(key)
        if len(rows) > 1 and known is not None:
            # the copy is edited into something else; the original stays as it was
            return next((row for row in rows if row.digest == known), rows[0])
        return rows[0]

    @property
    def copies(self) -> list[Row]:
        """Rows with a key that another row has."""
        return [row for row in self._all if row.key and self.rows[row.key] is not row]

    @property
    def keyless(self) -> list[Row]:
        """Rows with content and without a key."""
        return [row for row in self._all if not row.key]

    @cached_property
    def cleared(self) -> dict[str, Row]:
        """Keys that are known and gone, to the row without a key that says what theirs said."""
        lost: dict[str, list[str]] = {}
        for key, known in self.known.items():
            if key not in self.rows:
                lost.setdefault(known, []).append(key)
        found: dict[str, Row] = {}
        if lost:
            for row in self.keyless:
                keys = lost.get(row.digest, [])
                if len(keys) == 1 and keys[0] not in found:
                    found[keys[0]] = row
        return found

    def sheet(self, title: str) -> Sheet | None:
        return next((one for one in self.sheets if one.title.casefold() == title.casefold()), None)

    @cached_property
    def _all(self) -> list[Row]:
        return [row for sheet in self.sheets for row in sheet.rows]
