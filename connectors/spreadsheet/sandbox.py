"""A shared folder with a tracker, and the people who work in it with their spreadsheet program.

There is no server: the vendor is the file. `edit` opens, changes and saves as Excel does, with its
lock file beside the workbook while it is open. The ledger stays empty, as a file keeps no record of
who wrote it; count its rows.

The faults of vendors that answer do not exist here; asking for one raises Inapplicable. What a file
can suffer are methods: `open_in_excel`, `open_in_libreoffice`, `damage`, `begin_saving`.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from connectors.sdk.sandbox import Drill, Faults, Inapplicable, Sandbox

HEADERS = ("ID", "Title", "Status", "Owner", "Due", "Notes")
STATUSES = ("Open", "In progress", "On hold", "Done", "Cancelled")
_WORK = (
    ("Renew the insurance", "Open", "ann@acme.test", date(2026, 12, 15)),
    ("Move the archive to the new office", "In progress", "bob@acme.test", date(2026, 12, 4)),
    ("Replace the badge reader", "On hold", "ann@acme.test", None),
    ("Order the winter tyres", "Done", "cem@acme.test", date(2026, 11, 10)),
)
_WIDTHS = (14, 44, 14, 24, 12, 50)


class FileFaults(Faults):
    """Refuses what cannot happen to a file, so that no test believes it did."""

    def __setattr__(self, name: str, value: Any) -> None:
        if value and name not in ("on", "read_only"):
            raise Inapplicable("a file is read and replaced in one step: it gives no answers")
        super().__setattr__(name, value)


class SpreadsheetSandbox(Sandbox):
    """A folder with `tracker.xlsx`. A folder that is handed in is kept, with the tracker in it."""

    name: ClassVar[str] = "spreadsheet"

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.faults = FileFaults()
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

    def drill(self) -> Drill:
        from connectors.spreadsheet.drill import SpreadsheetDrill

        return SpreadsheetDrill(self)

    def populate(self) -> None:
        """A few rows, as a team would have them."""
        for number, (title, status, owner, due) in enumerate(_WORK, start=1):
            self.edit(f"T-{number}", Title=title, Status=status, Owner=owner, Due=due)

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
        with self.changing() as sheet:
            sheet.delete_rows(_row_of(sheet, key))

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """A person pastes rows below the others and saves."""
        with self.changing() as sheet:
            for row in rows:
                sheet.append(list(row))

    def sort(self, header: str) -> None:
        """A person sorts the rows by a column."""
        with self.changing() as sheet:
            at = _column_of(sheet, header) - 1
            lines = [list(line) for line in sheet.iter_rows(min_row=2, values_only=True)]
            lines.sort(key=lambda line: str(line[at] or ""))
            for number, line in enumerate(lines, start=2):
                for column, value in enumerate(line, start=1):
                    sheet.cell(number, column).value = value

    def copy(self, key: str) -> None:
        """A person copies a row to the bottom, key and all."""
        with self.changing() as sheet:
            sheet.append([cell.value for cell in sheet[_row_of(sheet, key)]])

    def rename(self, header: str, name: str) -> None:
        """A person gives a column another header."""
        with self.changing() as sheet:
            sheet.cell(1, _column_of(sheet, header)).value = name

    def insert_column(self, before: str, name: str) -> None:
        """A person inserts a column."""
        with self.changing() as sheet:
            at = _column_of(sheet, before)
            sheet.insert_cols(at)
            sheet.cell(1, at).value = name

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """A person changes anything in the first sheet (openpyxl's) and saves at the end."""
        book = openpyxl.load_workbook(self.path)
        yield book.worksheets[0]
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

    def open_in_libreoffice(self) -> None:
        """Somebody opens the tracker: LibreOffice's lock file appears beside it."""
        self._lock_of_office.write_bytes(b",ann,host,22.11.2026 09:00,file:///home/ann;")

    def close_libreoffice(self) -> None:
        """They close it again."""
        self._lock_of_office.unlink(missing_ok=True)

    def damage(self) -> bytes:
        """Cut the file short, as a full disk or a broken sync did an hour ago; its former content,
        to restore with `restore`.
        """
        content = self.path.read_bytes()
        self._save(content[: len(content) // 2])
        before = time.time() - 3600
        os.utime(self.path, (before, before))
        return content

    def begin_saving(self) -> bytes:
        """A program begins to write into the file itself and is half done; what it will be."""
        content = self.path.read_bytes()
        self.path.write_bytes(content[: len(content) // 2])
        return content

    def restore(self, content: bytes) -> None:
        """Somebody puts a good copy back."""
        self._save(content)

    @property
    def _lock_file(self) -> Path:
        return self.path.parent / f"~${self.path.name}"

    @property
    def _lock_of_office(self) -> Path:
        return self.path.parent / f".~lock.{self.path.name}#"

    def _save(self, content: bytes) -> None:
        temporary = self.path.parent / f"{self.path.stem}-saving.tmp"
        temporary.write_bytes(content)
        os.replace(temporary, self.path)


def _row_of(sheet: Any, key: str) -> int:
    for cell in list(sheet["A"])[1:]:
        if str(cell.value) == key:
            return int(cell.row)
    raise KeyError(key)


def _column_of(sheet: Any, header: str) -> int:
    return [cell.value for cell in sheet[1]].index(header) + 1


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
