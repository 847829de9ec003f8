"""Tables in CSV files. Encoding, byte order mark, delimiter and line ends stay as they were.

CSV knows only text: `5` is read as a number, `TRUE` as a boolean, `00012` and `1.10` as text. A
text that a spreadsheet program would take for a formula is written with an apostrophe before it,
which is taken away again on reading.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.sdk import ConfigError
from connectors.spreadsheet.table import DANGEROUS, Layout, Row, Table, headers_of, plain

DELIMITERS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]*[1-9])?")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


class CsvTable(Table):
    """A CSV file, all of its cells as text."""

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        super().__init__(name, layout)
        self._places: dict[str, int] | None = None
        self.encoding, text = _decode(name, content, layout.encoding)
        self.line_end = "\r\n" if "\r\n" in text or not content else "\n"
        header_line = "".join(text.splitlines()[layout.header_row - 1 : layout.header_row])
        self.delimiter = layout.delimiter or max(DELIMITERS, key=header_line.count)
        try:
            self.lines = list(
                csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True)
            )
        except csv.Error as error:
            raise ConfigError(f"{name} is damaged: {error}. Restore a copy.") from None
        while len(self.lines) < layout.header_row:
            self.lines.append([])
        self.right = max(map(len, self.lines))
        self.columns = headers_of([_unguard(cell) for cell in self.lines[layout.header_row - 1]])

    def rows(self) -> Sequence[Row]:
        key_column = self.key_column
        found: dict[str, Row] = {}
        for line in self.lines[self.layout.header_row :]:
            key = _unguard(_cell(line, key_column)).strip()
            if not key or key in found:
                continue
            data = {name: _value(_cell(line, column)) for name, column in self.columns.items()}
            data[self.layout.key] = key
            found[key] = Row(key, data)
        return list(found.values())

    def write(self, key: str, values: Mapping[str, Any]) -> None:
        ready = {name: _text(plain(value)) for name, value in values.items()}
        index = self._index()
        if key not in index:
            # after the last line that says something; trailing blank lines stay behind it
            at = len(self.lines)
            while at > self.layout.header_row and not any(self.lines[at - 1]):
                at -= 1
            self.lines.insert(at, [""] * max(self.columns.values()))
            index[key] = at
            ready = {self.layout.key: _text(key), **ready}
        line = self.lines[index[key]]
        for name, text in ready.items():
            column = self.column_of(name)
            line.extend([""] * (column - len(line)))
            line[column - 1] = text

    def _index(self) -> dict[str, int]:
        key_column = self.key_column
        if self._places is None:
            known: dict[str, int] = {}
            for at, line in enumerate(self.lines[self.layout.header_row :], self.layout.header_row):
                known.setdefault(_unguard(_cell(line, key_column)).strip(), at)
            known.pop("", None)
            self._places = known
        return self._places

    def add_column(self, header: str, column: int) -> None:
        line = self.lines[self.layout.header_row - 1]
        line.extend([""] * (column - len(line)))
        line[column - 1] = _text(header)

    def dump(self) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator=self.line_end).writerows(
            self.lines
        )
        try:
            return text.getvalue().encode(self.encoding)
        except UnicodeEncodeError:
            return text.getvalue().encode("utf-8-sig")  # an older encoding lacks a new letter


def _decode(name: str, content: bytes, configured: str | None) -> tuple[str, str]:
    if b"\x00" in content[:4096] and not configured:
        raise ConfigError(
            f"{name} is no CSV file in UTF-8. Save it as CSV UTF-8, or set encoding (utf-16)."
        )
    if content.startswith(codecs.BOM_UTF8) or not content:
        candidates = ["utf-8-sig"]
    else:
        candidates = [configured] if configured else ["utf-8", "cp1252"]
    for encoding in candidates:
        try:
            return encoding, content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    raise ConfigError(
        f"{name} is damaged, or not in {' or '.join(candidates)}. Restore a copy, or set encoding."
    )


def _cell(line: Sequence[str], column: int) -> str:
    return line[column - 1] if column <= len(line) else ""


def _unguard(text: str) -> str:
    return text[1:] if _GUARDED.match(text) else text


def _value(text: str) -> Any:
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    if _NUMBER.fullmatch(text) and text != "-0":
        number = float(text) if "." in text else int(text)
        return number if _digits(number) == text else text
    return _unguard(text) or None


def _digits(number: float) -> str:
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if not isinstance(value, str):
        return _digits(value)
    return "'" + value if value.startswith(DANGEROUS) or _GUARDED.match(value) else value
