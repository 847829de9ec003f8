"""Which columns hold dates: only their number format says so; a few cells are asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gspread.utils import rowcol_to_a1

from connectors.google_sheets.cells import KINDS, is_number
from connectors.google_sheets.table import Sheet

SAMPLE = 20
"""Rows at the beginning and at the end of a column whose number formats are looked at."""


def blocks(sheet: Sheet) -> list[str]:
    """Short ranges at both ends of every column that holds numbers; one cell where none does."""
    top = sheet.layout.header_row
    ends: dict[int, tuple[int, int]] = {}
    for number, line in enumerate(sheet.values[top:], start=top + 1):
        for column, cell in enumerate(line, start=1):
            if is_number(cell):
                ends[column] = (ends.get(column, (number, 0))[0], number)
    blocks = []
    for column, (first, last) in ends.items():
        middle = min(first + SAMPLE - 1, last)
        for begin, end in ((first, middle), (max(last - SAMPLE + 1, middle + 1), last)):
            if begin <= end:
                blocks.append(f"{rowcol_to_a1(begin, column)}:{rowcol_to_a1(end, column)}")
    # a column that is still empty shows its format in the row below the headers
    width = max((len(line) for line in sheet.values[:top]), default=1)
    blocks.append(f"A{top + 1}:{rowcol_to_a1(top + 1, max(width, 1))}")
    return blocks


def formats(sheet: Sheet, part: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Column to the date or time format that most of its looked-at numbers have; where a column
    holds no number yet, what its first row is formatted as.
    """
    votes: dict[int, list[Mapping[str, Any] | None]] = {}
    empty: dict[int, Mapping[str, Any]] = {}
    for block in part.get("data") or []:
        for down, line in enumerate(block.get("rowData") or []):
            for across, cell in enumerate(line.get("values") or []):
                row = int(block.get("startRow") or 0) + down + 1
                column = int(block.get("startColumn") or 0) + across + 1
                form = (cell.get("effectiveFormat") or {}).get("numberFormat") or {}
                timed = form if form.get("type") in KINDS else None
                if is_number(sheet.cell(row, column)):
                    votes.setdefault(column, []).append(timed)
                elif timed:
                    empty[column] = timed
    found = {column: form for column, form in empty.items() if column not in votes}
    for column, forms in votes.items():
        timed_ones = [form for form in forms if form]
        if len(timed_ones) * 2 > len(forms):
            found[column] = timed_ones[0]
    return found
