"""How a spreadsheet connection is configured: one file, and where in it the table is."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from connectors.sdk import ConnectionConfig


class SpreadsheetConfig(ConnectionConfig):
    """One table in one file."""

    path: str = Field(description="The file: .xlsx, .xlsm, .csv or .tsv.")
    sheet: str | None = Field(None, description="Sheet of a workbook; empty = the first.")
    key: str = Field("ID", description="Header of the column that names a row for good.")
    header_row: int = Field(1, description="Row the headers stand in.", ge=1, le=100)
    timezone: str = Field("UTC", description="Zone of the times in the file.")
    encoding: str | None = Field(None, description="Of a CSV file; empty = UTF-8 or cp1252.")
    delimiter: str | None = Field(
        None,
        description="Of a CSV file; empty = what the header row uses.",
        min_length=1,
        max_length=1,
    )
    settle: float = Field(
        0,
        description="Seconds the file must lie unchanged before it is read; for programs that "
        "write slowly into the file itself.",
        ge=0,
        le=3600,
    )
    max_size: int = Field(20_000_000, description="Bytes of the file.", ge=1)

    @field_validator("path")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if Path(value).suffix.lower() not in (".xlsx", ".xlsm", ".csv", ".tsv"):
            raise ValueError("must end in .xlsx, .xlsm, .csv or .tsv; save an older file as .xlsx")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a zone such as Europe/Zurich") from None
        return value
