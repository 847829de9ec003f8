"""One spreadsheet: reading its sheets whole, setting cells, adding rows, asking for its mark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from gspread.utils import absolute_range_name, rowcol_to_a1

from connectors.google_sheets.cells import KINDS, Cell
from connectors.google_sheets.channels import taken
from connectors.google_sheets.config import GoogleSheetsConfig
from connectors.google_sheets.formats import blocks, formats
from connectors.google_sheets.table import Layout, Sheet
from connectors.google_sheets.wire import DRIVE, SHEETS, Explained, Wire, sign_in
from connectors.sdk import (
    ConfigError,
    Connector,
    ConnectorError,
    HttpResponse,
    PayloadError,
    RejectedError,
)
from connectors.sdk.requests import GuardedSession

Params = dict[str, str | int | bool | float | list[str] | None]
ABOUT = (
    "properties(locale,timeZone),sheets(properties(sheetId,title),data(startRow,startColumn,"
    "rowData(values(effectiveFormat(numberFormat)))))"
)
_A1 = re.compile(r"^(?:'(?:[^']|'')*'|[^'!]+)!([A-Z]{1,3})(\d+)(?::([A-Z]{1,3})(\d+))?$")


class SheetsClient:
    """One spreadsheet. Safe in threads; every call is one request. Raises ConnectorErrors only."""

    def __init__(self, connector: Connector, settings: GoogleSheetsConfig) -> None:
        self.settings = settings
        self.id = settings.spreadsheet
        self.layout = Layout(
            settings.key, settings.header_row, settings.max_rows, len(settings.sheets) > 1
        )
        auth, who = sign_in(connector, settings)
        explained = Explained(self.id, who)
        sheets = connector.http(settings.base_url or SHEETS, auth=auth)

        def explain(answer: HttpResponse) -> ConnectorError | None:
            return taken(answer) or explained.explain(answer)

        self._wire = Wire(GuardedSession(sheets, SHEETS), explained)
        self.drive = connector.http(
            settings.base_url or DRIVE, auth=auth, explain=explain, bucket=_drive
        )

    # ------------------------------------------------------------------------------------ reading

    def read(self) -> list[Sheet]:
        """The sheets with their rows and number formats: two requests, three if none is named."""
        return self.described(self.values())

    def values(self) -> list[Sheet]:
        """The cells alone: each sheet whole and all at one moment, since rows move."""
        titles = self.settings.sheets or [self._first()]
        ranges = [absolute_range_name(title) for title in titles]
        options: Params = {
            "valueRenderOption": "UNFORMATTED_VALUE",
            "dateTimeRenderOption": "SERIAL_NUMBER",
            "majorDimension": "ROWS",
        }
        answer = self._wire.values_batch_get(self.id, ranges, options)
        return [
            Sheet(self.layout, title, values)
            for title, values in zip(titles, _values(answer, len(titles)), strict=True)
        ]

    def formulas(self, sheet: Sheet, columns: Sequence[int]) -> list[list[list[Cell]]]:
        """For each column its cells as they were typed, formulas as text, one cell a row."""
        ranges = []
        for column in columns:
            letters = rowcol_to_a1(1, column)[:-1]
            ranges.append(absolute_range_name(sheet.title, f"{letters}:{letters}"))
        options: Params = {
            "valueRenderOption": "FORMULA",
            "dateTimeRenderOption": "SERIAL_NUMBER",
        }
        return _values(self._wire.values_batch_get(self.id, ranges, options), len(ranges))

    def described(self, sheets: Sequence[Sheet]) -> list[Sheet]:
        """The same sheets with ids, zone and what their number columns are formatted as."""
        ranges = [
            absolute_range_name(sheet.title, block) for sheet in sheets for block in blocks(sheet)
        ]
        about = self._wire.spreadsheets_get(self.id, {"ranges": ranges, "fields": ABOUT})
        url = f"https://docs.google.com/spreadsheets/d/{self.id}/edit"
        zone = self._zone(about)
        found = {}
        for part in _list(about, "sheets"):
            properties = part.get("properties") or {}
            found[str(properties.get("title", "")).casefold()] = part
        described = []
        for sheet in sheets:
            part = found.get(sheet.title.casefold())
            if part is None:
                raise PayloadError(f"Google did not describe the sheet '{sheet.title}'.", "sheets")
            properties = part["properties"]
            found_formats = formats(sheet, part)
            described.append(
                replace(
                    sheet,
                    title=str(properties["title"]),
                    id=int(properties.get("sheetId") or 0),
                    zone=zone,
                    kinds={at: KINDS[str(one["type"])] for at, one in found_formats.items()},
                    formats=found_formats,
                    url=url,
                )
            )
        return described

    def choices(self, sheet: Sheet) -> Mapping[int, list[str]]:
        """Column to what its first row lets people choose from."""
        row = sheet.layout.header_row + 1
        fields = "sheets(data(rowData(values(dataValidation(condition)))))"
        ranges = [absolute_range_name(sheet.title, f"{row}:{row}")]
        about = self._wire.spreadsheets_get(self.id, {"ranges": ranges, "fields": fields})
        found = {}
        for at, cell in enumerate(_first_row(about), start=1):
            condition = (cell.get("dataValidation") or {}).get("condition") or {}
            if condition.get("type") == "ONE_OF_LIST":
                values = condition.get("values") or []
                found[at] = [str(one.get("userEnteredValue", "")) for one in values]
        return found

    def _first(self) -> str:
        about = self._wire.spreadsheets_get(
            self.id, {"fields": "sheets(properties(title,index,sheetType))"}
        )
        for part in _list(about, "sheets"):
            properties = part.get("properties") or {}
            if properties.get("sheetType", "GRID") == "GRID" and properties.get("title"):
                return str(properties["title"])
        raise PayloadError("Google names no sheet of this spreadsheet.", "sheets")

    def _zone(self, about: Mapping[str, Any]) -> ZoneInfo:
        told = (about.get("properties") or {}).get("timeZone")
        try:
            return ZoneInfo(self.settings.timezone or str(told or "UTC"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(
                "The spreadsheet has a time zone that is not known here: set timezone."
            ) from None

    # ------------------------------------------------------------------------------------ writing

    def write(self, cells: Sequence[tuple[Sheet, int, int, Cell]]) -> None:
        """Set these cells (sheet, row, column, value) as they are, in one request."""
        data = [
            {
                "range": absolute_range_name(sheet.title, rowcol_to_a1(row, column)),
                "values": [[value]],
            }
            for sheet, row, column, value in cells
        ]
        self._wire.values_batch_update(self.id, {"valueInputOption": "RAW", "data": data})

    def append(self, sheet: Sheet, left: int, lines: Sequence[Sequence[Cell | None]]) -> int:
        """New rows below the table whose headers begin at column `left`; the first one's number.

        Raises RejectedError where Google took another part of the sheet for the table.
        """
        top, right = sheet.layout.header_row, max(sheet.headers.values())
        headers = f"{rowcol_to_a1(top, left)}:{rowcol_to_a1(top, right)}"
        answer = self._wire.values_append(
            self.id,
            absolute_range_name(sheet.title, headers),
            {"valueInputOption": "RAW", "insertDataOption": "INSERT_ROWS"},
            {"majorDimension": "ROWS", "values": [list(line) for line in lines]},
        )
        updates = answer.get("updates")
        written = str(updates.get("updatedRange", "")) if isinstance(updates, dict) else ""
        place = _A1.match(written)
        if place is None:
            raise PayloadError("Google did not say where it appended the rows.", "updatedRange")
        if rowcol_to_a1(1, left)[:-1] != place[1]:
            # the rows were inserted for us, so nobody else's cells are emptied
            self._wire.values_batch_clear(self.id, body={"ranges": [written]})
            raise RejectedError(
                f"Google takes column {place[1]} of '{sheet.title}' for a part of the table, which "
                "has no header there: leave an empty column between the table and other cells."
            )
        return int(place[2])

    def dress(self, sheet: Sheet, first: int, count: int, columns: Sequence[int]) -> None:
        """Give new rows the number formats of their columns, so that dates look like dates."""
        requests_ = [
            {
                "repeatCell": {
                    "range": {
                        "sheetId": sheet.id,
                        "startRowIndex": first - 1,
                        "endRowIndex": first - 1 + count,
                        "startColumnIndex": column - 1,
                        "endColumnIndex": column,
                    },
                    "cell": {"userEnteredFormat": {"numberFormat": sheet.formats[column]}},
                    "fields": "userEnteredFormat.numberFormat",
                }
            }
            for column in columns
        ]
        self._wire.batch_update(self.id, {"requests": requests_})

    # ------------------------------------------------------------------------------------ the file

    def mark(self) -> str:
        """What moves when the file does, some minutes later."""
        answer = self.drive.request(
            "GET",
            f"/drive/v3/files/{self.id}",
            params={"fields": "version,modifiedTime,trashed", "supportsAllDrives": "true"},
        ).json()
        if not isinstance(answer, dict) or "version" not in answer:
            raise PayloadError("Google Drive does not tell the file's version.", "version")
        return orjson.dumps([answer["version"], answer.get("modifiedTime")]).decode()


def _drive(method: str, path: str) -> str:
    return "drive"


def _list(answer: Mapping[str, Any], name: str) -> list[Any]:
    """A list of objects that must be there: taking its absence for emptiness would delete rows."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise PayloadError(f"Google's answer has no list of {name}.", name)
    return found


def _values(answer: Mapping[str, Any], count: int) -> list[list[list[Cell]]]:
    ranges = _list(answer, "valueRanges")
    if len(ranges) != count:
        raise PayloadError(f"Google answered {len(ranges)} ranges of {count}.", "valueRanges")
    found = [one.get("values", []) for one in ranges]
    for values in found:
        if not isinstance(values, list) or not all(isinstance(line, list) for line in values):
            raise PayloadError("Google's answer has no rows of values.", "values")
    return found


def _first_row(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for part in _list(about, "sheets"):
        for block in part.get("data") or []:
            for line in block.get("rowData") or []:
                return [cell for cell in line.get("values") or [] if isinstance(cell, dict)]
    return []
