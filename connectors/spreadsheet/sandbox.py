"""A shared folder with a tracker, and the people who work in it with their spreadsheet program.

There is no server: the vendor is the file. `edit` opens, changes and saves as Excel does, with its
lock file beside the workbook while it is open. The ledger stays empty, as a file keeps no record of
who wrote it; count its rows.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from connectors.sdk.sandbox import Sandbox

HEADERS = ("ID", "Title", "Status", "Owner", "Due", "Notes")
STATUSES = ("Open", "In progress", "On hold", "Done", "Cancelled")
_WIDTHS = (14, 44, 14, 24, 12, 50)


class SpreadsheetSandbox(Sandbox):
    """A folder with `tracker.xlsx`. A folder that is handed in is kept, with the tracker in it."""

    name: ClassVar[str] = "spreadsheet"

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._given = folder
        self.path = Path()

    def start(self, port: int = 0) -> None:
        """Make the folder and the tracker; there is nothing to listen on."""
        folder = self._given or Path(tempfile.mkdtemp(prefix="hub-spreadsheet-"))
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "tracker.xlsx"
        if not self.path.exists():
            self._save(_tracker())

    def stop(self) -> None:
        """Clear away the folder, unless it was handed in."""
        if self._given is None:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def connection(self) -> dict[str, Any]:
        return {"connector": "spreadsheet", "path": str(self.path), "key": "ID"}

    # ------------------------------------------------------------------------------------------
    # what people do and see

    def rows(self) -> list[dict[str, Any]]:
        """What a person sees: header to cell value, top to bottom, blank rows left out."""
        sheet = openpyxl.load_workbook(self.path).worksheets[0]
        lines = [line for line in sheet.iter_rows(values_only=True) if any(line)]
        return [dict(zip(map(str, lines[0]), line, strict=False)) for line in lines[1:]]

    def row(self, key: str) -> dict[str, Any]:
        """The row of this key; KeyError if there is none."""
        for row in self.rows():
            if str(row["ID"]) == key:
                return row
        raise KeyError(key)

    def edit(self, key: str, **columns: Any) -> None:
        """A person changes cells of a row, or types a new one at the bottom, and saves.

        A save over somebody else's newer file is what Excel asks about; here the person says no,
        and does it again.
        """
        with self.lock:
            self.open_in_excel()
            try:
                while True:
                    before = self.path.stat()
                    book = openpyxl.load_workbook(self.path)
                    _change(book.worksheets[0], key, columns)
                    content = io.BytesIO()
                    book.save(content)
                    after = self.path.stat()
                    if (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino):
                        return self._save(content.getvalue())
            finally:
                self.close_excel()

    def delete(self, key: str) -> None:
        """A person deletes a row and saves."""
        book = openpyxl.load_workbook(self.path)
        sheet = book.worksheets[0]
        for cell in list(sheet["A"])[1:]:
            if str(cell.value) == key:
                sheet.delete_rows(cell.row)
                break
        else:
            raise KeyError(key)
        content = io.BytesIO()
        book.save(content)
        self._save(content.getvalue())

    def wait_for(self, key: str, timeout: float = 10, **columns: Any) -> dict[str, Any]:
        """The row, as soon as its columns have these values; TimeoutError with what it has."""
        deadline = time.monotonic() + timeout
        while True:
            row = next((row for row in self.rows() if str(row["ID"]) == key), {})
            if row and all(row.get(name) == value for name, value in columns.items()):
                return row
            if time.monotonic() > deadline:
                raise TimeoutError(f"Row {key} is {row or 'not there'} after {timeout} s.")
            time.sleep(0.02)

    def open_in_excel(self) -> None:
        """Somebody opens the tracker: Excel's lock file appears beside it."""
        self._lock_file.write_bytes(b"\x03Ann")

    def close_excel(self) -> None:
        """They close it again."""
        self._lock_file.unlink(missing_ok=True)

    def damage(self) -> bytes:
        """Cut the file short, as a full disk or a broken sync does; its former content, to restore
        with `restore`.
        """
        content = self.path.read_bytes()
        self._save(content[: len(content) // 2])
        return content

    def restore(self, content: bytes) -> None:
        """Somebody puts a good copy back."""
        self._save(content)

    @property
    def _lock_file(self) -> Path:
        return self.path.parent / f"~${self.path.name}"

    def _save(self, content: bytes) -> None:
        temporary = self.path.parent / f"{self.path.stem}-saving.tmp"
        temporary.write_bytes(content)
        os.replace(temporary, self.path)


def _change(sheet: Any, key: str, columns: Mapping[str, Any]) -> None:
    headers: Sequence[Any] = [cell.value for cell in sheet[1]]
    row = next((cell.row for cell in list(sheet["A"])[1:] if str(cell.value) == key), None)
    if row is None:
        row = sheet.max_row + 1
        sheet.cell(row, 1).value = key
    for name, value in columns.items():
        cell = sheet.cell(row, headers.index(name) + 1)
        cell.value = value
        if isinstance(value, date):
            cell.number_format = "yyyy-mm-dd"


def _tracker() -> bytes:
    """An empty tracker as an operations team keeps one: coloured header, widths, a status list."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Tracker"
    sheet.append(HEADERS)
    for letter, width in zip("ABCDEF", _WIDTHS, strict=True):
        cell = sheet[f"{letter}1"]
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", start_color="1F4E78")
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = "A1:F1"
    choices = DataValidation(type="list", formula1=f'"{",".join(STATUSES)}"', allow_blank=True)
    choices.add("C2:C5000")
    sheet.add_data_validation(choices)
    book.create_sheet("Notes").append(("This sheet belongs to the team.",))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
