"""Tables in Excel workbooks, by openpyxl: read as one snapshot of values, written with everything
openpyxl can keep (styles, widths, other sheets, macros).
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
from openpyxl.cell.cell import MergedCell
from openpyxl.styles.numbers import is_datetime
from openpyxl.utils import get_column_letter, range_boundaries

from connectors.sdk import ConfigError
from connectors.sdk.tables import CellError, as_date, as_moment, headers_of, key_of
from connectors.spreadsheet.table import (
    DANGEROUS,
    Damaged,
    Editor,
    Layout,
    Reader,
    Row,
    moment_text,
    ready,
)

DATE_FORMAT = "yyyy-mm-dd"
MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"
MAX_COLUMNS = 1000
_FORMULA = re.compile(rb"<f[ >/]")


def check_archive(name: str, content: bytes, max_unpacked: int) -> bool:
    """Refuses what is no workbook, or unpacks to more than memory should take (ConfigError).

    True if any sheet holds formulas.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > max_unpacked:
                raise ConfigError(
                    f"{name} unpacks to {unpacked} bytes; the limit is {max_unpacked}. Remove what "
                    f"does not belong to the table."
                )
            found = False
            for entry in entries:
                if not entry.filename.endswith((".xml", ".rels")):
                    continue
                for chunk in _chunks(archive, entry):
                    if b"<!DOCTYPE" in chunk or b"<!ENTITY" in chunk:
                        raise _damaged(name)  # no spreadsheet program writes entities
                    if not found and entry.filename.startswith("xl/worksheets/"):
                        found = _FORMULA.search(chunk) is not None
            return found
    except ConfigError:
        raise
    except Exception:  # zip, zlib and struct each have errors of their own
        raise _damaged(name) from None


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The parts of a file in the archive, each with the end of the one before."""
    with archive.open(entry) as file:
        tail = b""
        while chunk := file.read(1_000_000):
            yield tail + chunk
            tail = chunk[-16:]


def _damaged(name: str) -> Damaged:
    return Damaged(
        f"{name} is damaged and cannot be read as a workbook. Restore a copy of it, and the hub "
        f"goes on from there."
    )


def _load(name: str, content: bytes, **options: Any) -> Any:
    try:
        return openpyxl.load_workbook(io.BytesIO(content), **options)
    except Exception:  # a damaged workbook fails anywhere in the reader
        raise _damaged(name) from None


def _sheet(book: Any, name: str, layout: Layout) -> Any:
    if layout.sheet is None:
        return book.worksheets[0]
    if layout.sheet in book.sheetnames:
        return book[layout.sheet]
    raise ConfigError(
        f"{name} has no sheet '{layout.sheet}'; it has: {', '.join(book.sheetnames)}. Change sheet."
    )


class _Lines:
    """The cells of one sheet, streamed, row by row."""

    def __init__(self, name: str, layout: Layout, content: bytes, *, values: bool) -> None:
        self.name = name
        self.layout = layout
        self.book = _load(name, content, read_only=True, data_only=values)
        self.sheet = _sheet(self.book, name, layout)
        self.declared: int | None = self.sheet.max_row
        self.sheet.reset_dimensions()  # written by programs that do not count right

    def header(self) -> tuple[Any, ...]:
        at = self.layout.header_row
        return next(self.lines(at, MAX_COLUMNS, at), ())

    def lines(self, first: int, columns: int, last: int | None = None) -> Iterator[Any]:
        try:
            yield from self.sheet.iter_rows(min_row=first, max_row=last, max_col=columns or 1)
        except ConfigError:
            raise
        except Exception:  # the stream is parsed as it is read
            raise _damaged(self.name) from None

    def close(self) -> None:
        self.book.close()


class XlsxReader(Reader):
    """A workbook for reading only: fast, and with the values that formulas had when it was saved.

    A formula that no spreadsheet program has calculated yet has no value: its cell is left out.
    """

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        super().__init__(name, layout)
        self._content = content
        self._formulas = check_archive(name, content, layout.max_unpacked)
        lines = _Lines(name, layout, content, values=True)
        self.columns = headers_of([cell.value for cell in lines.header()])
        self._declared = lines.declared
        lines.close()

    def about(self) -> int | None:
        last = self._declared
        return max(0, last - self.layout.header_row) if last is not None else None

    def rows(self) -> Iterator[Row]:
        key_at = self.key_column - 1
        width = max(self.columns.values())
        first = self.layout.header_row + 1
        zone = self.layout.zone
        found: set[str] = set()
        lines = _Lines(self.name, self.layout, self._content, values=True)
        formulas = (
            _Lines(self.name, self.layout, self._content, values=False) if self._formulas else None
        )
        texts: Iterator[Any] = formulas.lines(first, width) if formulas else itertools.repeat(())
        try:
            for line, text in zip(lines.lines(first, width), texts, strict=False):
                key = key_of(_json(line[key_at], zone) if key_at < len(line) else None)
                if not key or key in found:
                    continue
                found.add(key)
                yield Row(
                    key,
                    {
                        name: _json(line[column - 1], zone) if column <= len(line) else None
                        for name, column in self.columns.items()
                        if not _uncalculated(line, text, column)
                    },
                )
        finally:
            lines.close()
            if formulas:
                formulas.close()

    def choices(self) -> Mapping[str, Sequence[str]]:
        """What lists to choose from say, where they are written out in the cell's validation."""
        sheet = _sheet(_load(self.name, self._content), self.name, self.layout)
        found: dict[str, Sequence[str]] = {}
        row = self.layout.header_row + 1
        for rule in sheet.data_validations.dataValidation:
            text = str(rule.formula1 or "")
            if rule.type != "list" or not (text.startswith('"') and text.endswith('"')):
                continue
            for name, column in self.columns.items():
                if f"{get_column_letter(column)}{row}" in rule.sqref:
                    found[name] = [part.strip() for part in text[1:-1].split(",")]
        return found


def _uncalculated(line: Sequence[Any], formulas: Sequence[Any], column: int) -> bool:
    """Whether a cell holds a formula that no spreadsheet program has calculated yet."""
    if column > len(line) or column > len(formulas):
        return False
    return formulas[column - 1].data_type == "f" and line[column - 1].value is None


class XlsxEditor(Editor):
    """A workbook for writing: values go into cells, everything else stays."""

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        super().__init__(name, layout)
        if content:
            check_archive(name, content, layout.max_unpacked)
            macros = name.lower().endswith(".xlsm")
            self._book = _load(name, content, keep_vba=macros)
            self._sheet = _sheet(self._book, name, layout)
        else:
            self._book = openpyxl.Workbook()
            self._sheet = self._book.worksheets[0]
            if layout.sheet:
                self._sheet.title = layout.sheet
        at = layout.header_row
        header: dict[int, Any] = {}
        self._index: dict[str, int] = {}
        self._last = at
        filled = [
            (row, column, cell)
            for (row, column), cell in self._sheet._cells.items()  # iter_rows would make cells
            if cell.value is not None
        ]
        for row, column, cell in filled:
            self._last = max(self._last, row)
            self.right = max(self.right, column)
            if row == at and column <= MAX_COLUMNS:
                header[column] = cell.value
        width = max(header, default=0)
        self.columns = headers_of([header.get(column) for column in range(1, width + 1)])
        self._kinds: dict[int, str] = {}
        key_column = self.columns.get(layout.key)
        for row, column, cell in sorted(filled, key=lambda entry: entry[0]):
            if row <= at:
                continue
            if column == key_column:
                key = key_of(_json(cell, layout.zone))
                if key:
                    self._index.setdefault(key, row)
            self._kinds.setdefault(column, "text")
            if isinstance(cell.value, datetime | date):
                kind = "moment" if _has_time(cell.number_format) else "date"
                if self._kinds[column] == "text":
                    self._kinds[column] = f"{kind}:{cell.number_format}"

    def write(self, key: str, values: Mapping[str, Any]) -> None:
        cells = ready(values)
        row = self._index.get(key)
        for name in cells.keys() & self.columns.keys() if row else ():
            cell = self._sheet.cell(row, self.columns[name])
            if isinstance(cell, MergedCell):
                raise CellError("is part of a merged cell; unmerge it", name)
            if cell.data_type == "f":
                raise CellError("holds a formula, which is not written over", name)
        if row is None:
            cells = {self.layout.key: key, **cells}
            row = self._index[key] = self._append()
        for name, value in cells.items():
            self._put(self._sheet.cell(row, self.column_of(name)), value)

    def _append(self) -> int:
        """The number of a new row below the last, dressed like it."""
        row = self._last + 1
        if self._last > self.layout.header_row:
            for column in self.columns.values():
                above = self._sheet.cell(self._last, column)
                if above.has_style:
                    self._sheet.cell(row, column)._style = above._style
        ranges = [table for table in self._sheet.tables.values() if not table.totalsRowCount]
        if self._sheet.auto_filter.ref:
            ranges.append(self._sheet.auto_filter)
        for area in ranges:
            left, top, right, bottom = (number or 0 for number in range_boundaries(area.ref))
            if top == self.layout.header_row and bottom == self._last:
                area.ref = f"{get_column_letter(left)}{top}:{get_column_letter(right)}{row}"
                inner = getattr(area, "autoFilter", None)
                if inner is not None:
                    inner.ref = area.ref
        self._last = row
        return row

    def _put(self, cell: Any, value: Any) -> None:
        known = self._kinds.get(cell.column, "")
        kind, _, style = known.partition(":")
        if isinstance(value, str):
            day, moment = as_date(value), as_moment(value, self.layout.zone)
            if day is not None and (known == "" or kind in ("date", "moment")) and day.year > 1900:
                cell.value = datetime(day.year, day.month, day.day)
                cell.number_format = style if kind == "date" else DATE_FORMAT
            elif moment is not None and kind in ("date", "moment") and moment.year > 1900:
                cell.value = moment
                cell.number_format = style if kind == "moment" else MOMENT_FORMAT
            else:
                cell.value = value
                cell.data_type = "s"  # openpyxl takes '=1' for a formula and '#N/A' for an error
                cell.quotePrefix = value.startswith(DANGEROUS)
                if is_datetime(cell.number_format):
                    cell.number_format = "General"
        else:
            cell.value = value
            if value is not None and is_datetime(cell.number_format):
                cell.number_format = "General"
        if value is not None and known == "":
            dated = isinstance(cell.value, datetime)
            self._kinds[cell.column] = f"date:{cell.number_format}" if dated else "text"

    def add_column(self, header: str, column: int) -> None:
        cell = self._sheet.cell(self.layout.header_row, column)
        if column > 1:
            before = self._sheet.cell(self.layout.header_row, column - 1)
            if before.has_style:
                cell._style = before._style
        cell.value = header
        cell.data_type = "s"

    def dump(self) -> bytes:
        content = io.BytesIO()
        self._book.save(content)
        self._book.close()
        return content.getvalue()


def _has_time(number_format: str) -> bool:
    return is_datetime(number_format) in ("datetime", "time")


def _json(cell: Any, zone: Any) -> Any:
    value = cell.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value or None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, datetime):
        if value.time() == time(0) and not _has_time(cell.number_format):
            return value.date().isoformat()
        return moment_text(value, zone)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)
