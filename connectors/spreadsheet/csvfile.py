"""Tables in CSV files. Encoding, byte order mark, delimiter and line ends stay as they were.

CSV knows only text: `5` is read as a number, `TRUE` as a boolean, `00012` and `1.10` as text. A
text that a spreadsheet program would take for a formula is written with an apostrophe before it,
which is taken away again on reading.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.sdk import ConfigError
from connectors.sdk.tables import headers_of
from connectors.spreadsheet.table import (
    DANGEROUS,
    Damaged,
    Editor,
    Layout,
    Reader,
    Row,
    ready,
)

DELIMITERS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]*[1-9])?")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


class _Csv:
    """A CSV file as lines of text cells."""

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        self.name = name
        self._content = content
        self.encoding, text = _decode(name, content, layout.encoding)
        self.line_end = "\r\n" if "\r\n" in text or not content else "\n"
        del text  # from here on it is decoded line by line
        first = itertools.islice(self._text(), layout.header_row - 1, layout.header_row)
        self.delimiter = layout.delimiter or max(DELIMITERS, key="".join(first).count)

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(self._content), self.encoding, newline="")

    def breaks(self) -> int:
        """How many lines the file has; a cell may hold several of them."""
        unended = bool(self._content) and not self._content.rstrip(b"\0").endswith(b"\n")
        return self._content.count(b"\n") + unended

    def lines(self) -> Iterator[list[str]]:
        try:
            yield from csv.reader(self._text(), delimiter=self.delimiter, strict=True)
        except csv.Error as error:
            raise Damaged(f"{self.name} is damaged: {error}. Restore a copy.") from None


class CsvReader(Reader):
    """A CSV file, row by row."""

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        super().__init__(name, layout)
        self._csv = _Csv(name, layout, content)
        at = layout.header_row
        header = next(itertools.islice(self._csv.lines(), at - 1, at), [])
        self.columns = headers_of([_unguard(cell) for cell in header])

    def about(self) -> int:
        return max(0, self._csv.breaks() - self.layout.header_row)

    def rows(self) -> Iterator[Row]:
        key_column = self.key_column
        found: set[str] = set()
        for line in itertools.islice(self._csv.lines(), self.layout.header_row, None):
            key = _unguard(_cell(line, key_column)).strip()
            if not key or key in found:
                continue
            found.add(key)
            data = {name: _value(_cell(line, column)) for name, column in self.columns.items()}
            data[self.layout.key] = key
            yield Row(key, data)


class CsvEditor(Editor):
    """A CSV file to change, all of its cells as text."""

    def __init__(self, name: str, layout: Layout, content: bytes) -> None:
        super().__init__(name, layout)
        self._csv = _Csv(name, layout, content)
        self._places: dict[str, int] | None = None
        self.lines = list(self._csv.lines())
        while len(self.lines) < layout.header_row:
            self.lines.append([])
        self.right = max(map(len, self.lines))
        self.columns = headers_of([_unguard(cell) for cell in self.lines[layout.header_row - 1]])

    def write(self, key: str, values: Mapping[str, Any]) -> None:
        texts = {name: _text(value) for name, value in ready(values).items()}
        index = self._index()
        if key not in index:
            # after the last line that says something; trailing blank lines stay behind it
            at = len(self.lines)
            while at > self.layout.header_row and not any(self.lines[at - 1]):
                at -= 1
            self.lines.insert(at, [""] * max(self.columns.values()))
            index[key] = at
            texts = {self.layout.key: _text(key), **texts}
        line = self.lines[index[key]]
        for name, text in texts.items():
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
        form = self._csv
        csv.writer(text, delimiter=form.delimiter, lineterminator=form.line_end).writerows(
            self.lines
        )
        try:
            return text.getvalue().encode(form.encoding)
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
    raise Damaged(
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
