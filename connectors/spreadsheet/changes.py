"""What a pull remembers of a table, so that the next one can tell which rows changed.

Small tables: a digest for each row, which also shows rows that are gone. Large ones: one sum for
each of a fixed number of groups of rows, so that the cursor stays small; a change then brings the
other rows of its group along, and rows that are gone show only in a sweep.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.sdk.records import Cursor
from connectors.spreadsheet.table import Row

EXACT = 5_000
"""Rows up to which each is remembered by itself; about 200 kB of cursor."""
GROUPS = 2048
_DIGITS = 12
_MASK = 16**_DIGITS - 1


def _group(key: str) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % GROUPS


class Seen:
    """What one pass over a table adds up to."""

    def __init__(self) -> None:
        self._rows: dict[str, str] | None = {}
        self.sums = [0] * GROUPS
        self.count = 0

    def add(self, row: Row) -> str:
        """Take a row in; its digest."""
        self.count += 1
        digest = row.digest
        place = _group(row.key)
        self.sums[place] = (self.sums[place] + int(digest[:_DIGITS], 16)) & _MASK
        if self._rows is not None:
            self._rows[row.key] = digest
            if len(self._rows) > EXACT:
                self._rows = None
        return digest

    def stored(self) -> dict[str, Any]:
        """For the cursor."""
        if self._rows is not None:
            return {"rows": self._rows}
        return {"sums": "".join(f"{value:0{_DIGITS}x}" for value in self.sums)}


class Known:
    """What a cursor remembers."""

    def __init__(self, cursor: Cursor) -> None:
        rows, missing = cursor.get("rows"), cursor.get("missing")
        self.rows: Mapping[str, str] = rows if isinstance(rows, dict) else {}
        self.missed = frozenset(map(str, missing if isinstance(missing, list) else ()))
        """Keys that were missing at the last pull for the first time."""
        headers, place = cursor.get("headers"), cursor.get("at")
        self.headers: Sequence[str] = headers if isinstance(headers, list) else ()
        self._place: Mapping[str, Any] = place if isinstance(place, dict) else {}
        sums = cursor.get("sums")
        text = sums if isinstance(sums, str) else ""
        self.grouped = len(text) == GROUPS * _DIGITS
        self._sums = (
            [int(text[at : at + _DIGITS], 16) for at in range(0, len(text), _DIGITS)]
            if self.grouped
            else []
        )

    def changed(self, row: Row, digest: str, now: Seen | None) -> bool:
        """Whether a row may differ. `now` is the whole table where this is `grouped`."""
        if self.grouped and now is not None:
            place = _group(row.key)
            return self._sums[place] != now.sums[place]
        return self.rows.get(row.key) != digest

    def done(self, sha256: str) -> int:
        """How many changes of this very file were delivered before the pull was cut short."""
        return int(self._place["done"]) if self._place.get("sha256") == sha256 else 0

    def stored(self) -> dict[str, Any]:
        """For a cursor in the middle of a pull, which goes on from what was known before it."""
        stored: dict[str, Any] = {}
        if self.rows:
            stored["rows"] = dict(self.rows)
        if self.grouped:
            stored["sums"] = "".join(f"{value:0{_DIGITS}x}" for value in self._sums)
        if self.missed:
            stored["missing"] = sorted(self.missed)
        return stored
