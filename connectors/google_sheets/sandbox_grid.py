"""The sandbox's spreadsheet: tabs of cells, A1 ranges, and what values look like on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

Value = bool | int | float | str
DATE = {"type": "DATE", "pattern": "yyyy-mm-dd"}
MOMENT = {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm"}
EPOCH = datetime(1899, 12, 30)
_RANGE = re.compile(
    r"(?:(?:'(?P<quoted>(?:[^']|'')+)'|(?P<bare>[^'!]+?))(?:!|$))?"
    r"(?:(?P<c1>[A-Za-z]{1,3})?(?P<r1>[1-9]\d*)?(?::(?P<c2>[A-Za-z]{1,3})?(?P<r2>[1-9]\d*)?)?)?"
)


class Refused(Exception):
    """A request that Google refuses: status, Google's name for it, message, Drive's reason."""

    def __init__(self, code: int, status: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.status, self.message, self.reason = code, status, message, reason


def bad(message: str) -> Refused:
    return Refused(400, "INVALID_ARGUMENT", message)


@dataclass(slots=True)
class Box:
    """One cell: what it shows, the formula behind it, its number format."""

    value: Value = ""
    formula: str | None = None
    format: dict[str, str] | None = None


@dataclass
class Tab:
    """One sheet. `protected` are columns that the hub's account may not write, from 1."""

    title: str
    id: int
    boxes: list[list[Box]] = field(default_factory=list)
    rows: int = 1000
    columns: int = 26
    protected: set[int] = field(default_factory=set)
    choices: dict[int, list[str]] = field(default_factory=dict)

    def box(self, row: int, column: int) -> Box:
        """The cell, made when it is not there yet."""
        while len(self.boxes) < row:
            self.boxes.append([])
        line = self.boxes[row - 1]
        while len(line) < column:
            line.append(Box())
        return line[column - 1]

    def value(self, row: int, column: int) -> Value:
        if row > len(self.boxes) or column > len(self.boxes[row - 1]):
            return ""
        return self.boxes[row - 1][column - 1].value

    def lines(self) -> int:
        """The last row that holds anything."""
        filled = [
            at for at, line in enumerate(self.boxes, 1) if any(box.value != "" for box in line)
        ]
        return max(filled, default=0)

    def width(self) -> int:
        return max((len(line) for line in self.boxes), default=0)

    def headers(self) -> dict[str, int]:
        top = self.boxes[0] if self.boxes else []
        return {str(box.value): at for at, box in enumerate(top, 1) if box.value != ""}

    def table(self, area: Area) -> Area:
        """The block of filled cells that touches this range, as append looks for it."""
        top, left, bottom, right = area.top, area.left, area.bottom, area.right
        grown = True
        while grown:
            grown = False
            for side in (
                (bottom + 1, left, bottom + 1, right),
                (top, right + 1, bottom, right + 1),
                (top, left - 1, bottom, left - 1),
                (top - 1, left, top - 1, right),
            ):
                first, start, last, end = side
                if first < 1 or start < 1 or last > len(self.boxes) or end > self.width():
                    continue
                if any(
                    self.value(row, column) != ""
                    for row in range(first, last + 1)
                    for column in range(start, end + 1)
                ):
                    top, left = min(top, first), min(left, start)
                    bottom, right = max(bottom, last), max(right, end)
                    grown = True
        return Area(self, top, left, bottom, right)


@dataclass(frozen=True, slots=True)
class Area:
    """A range within a tab, all ends included, counted from 1."""

    tab: Tab
    top: int
    left: int
    bottom: int
    right: int

    @property
    def name(self) -> str:
        title = self.tab.title
        quoted = title if re.fullmatch(r"\w+", title) else "'" + title.replace("'", "''") + "'"
        first = f"{letters(self.left)}{self.top}"
        last = f"{letters(self.right)}{self.bottom}"
        return f"{quoted}!{first}" + (f":{last}" if last != first else "")

    def cells(self) -> Iterator[tuple[int, int]]:
        for row in range(self.top, self.bottom + 1):
            for column in range(self.left, self.right + 1):
                yield row, column


def letters(column: int) -> str:
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def number_of(text: str) -> int:
    column = 0
    for letter in text.upper():
        column = column * 26 + ord(letter) - 64
    return column


def area(tabs: Sequence[Tab], text: str) -> Area:
    """A range in A1 notation. Raises Refused as Google does."""
    match = _RANGE.fullmatch(text)
    whole = next((tab for tab in tabs if tab.title.casefold() == text.casefold()), None)
    if whole is not None:
        return Area(whole, 1, 1, whole.rows, whole.columns)
    if match is None:
        raise bad(f"Unable to parse range: {text}")
    named = match["bare"]
    title = match["quoted"].replace("''", "'") if match["quoted"] else named
    tab = tabs[0]
    if title is not None:
        found = [one for one in tabs if one.title.casefold() == title.casefold()]
        if not found:
            raise bad(f"Unable to parse range: {text}")
        tab = found[0]
    single = ":" not in text.rpartition("!")[2]
    left = number_of(match["c1"]) if match["c1"] else 1
    top = int(match["r1"]) if match["r1"] else 1
    if single and match["c1"] and match["r1"]:
        right, bottom = left, top
    else:
        right = number_of(match["c2"]) if match["c2"] else tab.columns
        bottom = int(match["r2"]) if match["r2"] else tab.rows
    if top > tab.rows or left > tab.columns:
        raise bad(
            f"Range ({text}) exceeds grid limits. Max rows: {tab.rows}, max columns: {tab.columns}"
        )
    return Area(tab, top, left, min(bottom, tab.rows), min(right, tab.columns))


def shown(box: Box, option: str) -> Any:
    """A cell as one of the three render options gives it."""
    if option == "FORMULA" and box.formula:
        return box.formula
    if option == "FORMATTED_VALUE":
        return text_of(box)
    return box.value


def text_of(box: Box) -> str:
    """What people see."""
    value = box.value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float) and box.format:
        moment = EPOCH + timedelta(days=float(value))
        return moment.strftime("%Y-%m-%d" if box.format["type"] == "DATE" else "%Y-%m-%d %H:%M")
    return str(value)


def values(area: Area, option: str) -> list[list[Any]]:
    """The rows of a range, empty ends left out."""
    found: list[list[Any]] = []
    for row in range(area.top, min(area.bottom, len(area.tab.boxes)) + 1):
        line = area.tab.boxes[row - 1][area.left - 1 : area.right]
        cells = [shown(box, option) for box in line]
        while cells and cells[-1] == "":
            cells.pop()
        found.append(cells)
    while found and not found[-1]:
        found.pop()
    return found


def put(box: Box, value: Any, option: str) -> None:
    """Set a cell as RAW or USER_ENTERED does; None leaves it alone."""
    if value is None:
        return
    if not isinstance(value, bool | int | float | str):
        raise bad("Invalid values: list_value or struct_value")
    if isinstance(value, str) and len(value) > 50_000:
        raise bad("Your input contains more than the maximum of 50000 characters in a single cell.")
    box.formula = None
    if option == "USER_ENTERED" and isinstance(value, str):
        if value.startswith("="):
            box.formula, box.value = value, 0
            return
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value)
    box.value = value


def serial(value: date | datetime) -> float:
    if isinstance(value, datetime):
        span = value - EPOCH
        return span.days + span.seconds / 86_400
    return (value - EPOCH.date()).days
