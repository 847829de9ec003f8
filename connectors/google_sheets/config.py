"""How a Google Sheets connection is configured: one spreadsheet, its tables, and who reads it."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from gspread.exceptions import NoValidUrlKeyFound
from gspread.utils import extract_id_from_url
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from connectors.sdk import ConfigError, ConnectionConfig

HUB_KEY = "_hub_key"
_ID = re.compile(r"[A-Za-z0-9_-]{20,100}")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class GoogleAuth(BaseModel):
    """A service account (its key file, or client_email and private_key), or a person who agreed
    once (client_id and client_secret, with a refresh token or `hub connections authorize`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key_file: SecretStr | None = Field(
        None, description="Service account: the whole JSON key file, as one secret."
    )
    client_email: str | None = Field(None, description="Service account: its address.")
    private_key: SecretStr | None = Field(
        None, description="Service account: its private key in PEM."
    )
    subject: str | None = Field(
        None, description="Service account: the person it acts for (domain-wide delegation)."
    )
    client_id: str | None = Field(None, description="Person: OAuth client.")
    client_secret: SecretStr | None = Field(None, description="Person: secret of the OAuth client.")
    refresh_token: SecretStr | None = Field(
        None, description="Person: a refresh token from before; empty = agree in the browser."
    )

    @model_validator(mode="after")
    def _one_way(self) -> GoogleAuth:
        account = bool(self.client_email and self.private_key)
        ways = [self.key_file is not None, account, self.client_id is not None]
        if sum(ways) != 1 or (self.client_email and not self.private_key):
            raise ValueError(
                "give key_file, or client_email and private_key, or client_id and client_secret"
            )
        return self

    def account(self) -> tuple[str, SecretStr] | None:
        """Address and key of the service account; None for a person. Raises ConfigError."""
        if self.client_email and self.private_key:
            return self.client_email, _pem(self.private_key.get_secret_value())
        if self.key_file is None:
            return None
        try:
            key = orjson.loads(self.key_file.get_secret_value())
            return str(key["client_email"]), _pem(str(key["private_key"]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ConfigError(
                "auth.key_file is not the JSON key of a service account: it needs client_email and "
                "private_key. Create a key of type JSON in the Google Cloud console."
            ) from None


def _pem(text: str) -> SecretStr:
    # a key pasted from the JSON file into an environment variable keeps its \n as two characters
    return SecretStr(text.replace("\\n", "\n").strip() + "\n")


class GoogleSheetsConfig(ConnectionConfig):
    """One spreadsheet and the tables in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    spreadsheet: str = Field(description="The spreadsheet: its address in the browser, or its id.")
    sheets: Annotated[list[str], BeforeValidator(_as_list)] = Field(
        default_factory=list, description="The sheets (tabs) with the rows; empty = the first."
    )
    key: str = Field(HUB_KEY, description="Header of the column that names a row for good.")
    assign_keys: bool | None = Field(
        None,
        description=f"Let writes name rows that have no key; empty = yes if the key is {HUB_KEY}.",
    )
    header_row: int = Field(1, description="Row the headers stand in.", ge=1, le=100)
    timezone: str | None = Field(
        None, description="Zone of the times; empty = what the spreadsheet is set to."
    )
    max_rows: int = Field(
        20_000, description="Rows of one sheet; a longer one is refused.", ge=1, le=100_000
    )
    skip_unchanged: bool = Field(
        False,
        description="Read the rows only once Drive says that the file changed; Drive is late by "
        "minutes, and does not see what formulas fetch.",
    )
    drive: bool = Field(
        True,
        description="Ask Google also for drive.metadata.readonly, for webhooks and skip_unchanged.",
    )
    auth: GoogleAuth = Field(description="Who reads and writes.")

    @property
    def assigns(self) -> bool:
        """Whether writes may name rows that have no key."""
        return self.key == HUB_KEY if self.assign_keys is None else self.assign_keys

    @field_validator("spreadsheet")
    @classmethod
    def _id(cls, value: str) -> str:
        try:
            found = extract_id_from_url(value) if "/" in value else value.strip()
        except NoValidUrlKeyFound:
            found = ""
        if not _ID.fullmatch(found):
            raise ValueError(
                "write the address of the spreadsheet (https://docs.google.com/spreadsheets/d/…) "
                "or the id in it"
            )
        return found

    @field_validator("sheets")
    @classmethod
    def _titles(cls, titles: list[str]) -> list[str]:
        if any(not title.strip() for title in titles):
            raise ValueError("a sheet has no name")
        if len({title.casefold() for title in titles}) < len(titles):
            raise ValueError("a sheet is listed twice")
        return titles

    @field_validator("key")
    @classmethod
    def _header(cls, value: str) -> str:
        header = " ".join(value.split())
        if not header:
            raise ValueError("must be the header of a column")
        return header

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a zone such as Europe/Zurich") from None
        return value
