"""One cell of Google Sheets as JSON and back: dates are days since 1899-12-30 in the spreadsheet's
zone, and only the column's number format tells them from numbers.
https://developers.google.com/workspace/sheets/api/reference/rest/v4/DateTimeRenderOption
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from connectors.sdk.tables import as_date, as_moment, plain

Kind = Literal["plain", "date", "datetime", "time"]
Cell = bool | int | float | str
"""What the API takes and gives; an empty text is an empty cell."""

KINDS: dict[str, Kind] = {"DATE": "date", "DATE_TIME": "datetime", "TIME": "time"}
TEXT_LIMIT = 50_000
"""Characters a cell holds."""
DAY = 86_400
EPOCH = datetime(1899, 12, 30)
ERRORS = frozenset(
    {
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
        "#REF!",
        "#NAME?",
        "#NUM!",
        "#N/A",
        "#ERROR!",
        "#SPILL!",
        "Loading...",
    }
)
"""What a formula shows while it has no value."""


class Unknown:
    """The cell's formula has no value right now."""


UNKNOWN = Unknown()


def is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def read_cell(cell: Any, kind: Kind, zone: ZoneInfo) -> Any:
    """The JSON value of a cell, None for an empty one, UNKNOWN for a formula without a value."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        return UNKNOWN if cell in ERRORS else cell
    if not is_number(cell):
        return cell
    if kind != "plain":
        try:
            return _time(cell, kind, zone)
        except (OverflowError, ValueError):
            pass  # beyond the calendar: a number after all
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _time(cell: float, kind: Kind, zone: ZoneInfo) -> Any:
    local = EPOCH + timedelta(seconds=round(cell * DAY))
    if kind == "date":
        return (EPOCH + timedelta(days=int(cell // 1))).date().isoformat()
    if kind == "datetime":
        return local.replace(tzinfo=zone).isoformat()
    return local.time().isoformat() if 0 <= cell < 1 else cell  # longer ones are durations


def write_cell(value: Any, kind: Kind, zone: ZoneInfo) -> Cell:
    """The cell that says a JSON value: dates only in columns of dates. Raises CellError."""
    cell = plain(value, TEXT_LIMIT)
    if cell is None:
        return ""
    if isinstance(cell, str) and kind in ("date", "datetime"):
        day = as_date(cell)
        if day is not None:
            return day.toordinal() - EPOCH.toordinal()
        moment = as_moment(cell, zone)
        if moment is not None:
            span = moment - EPOCH
            return span.days if kind == "date" else span.days + span.seconds / DAY
    if isinstance(cell, str) and kind == "time":
        moment = as_moment(f"1899-12-30T{cell}", zone)
        if moment is not None:
            return (moment - EPOCH).seconds / DAY
    found: Cell = cell
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two cells say the same, in whatever form."""
    one, other = ("" if cell is None else cell for cell in (one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_number(one) and is_number(other):
        return bool(abs(one - other) < 0.4 / DAY)
    return str(one) == str(other)
