"""Google's own wording, the fields that are asked for, and the default mapping on what the sandbox
gives.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

import connectors.google_sheets
from connectors.google_sheets.connector import GoogleSheetsConfig, GoogleSheetsConnector
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.google_sheets.sandbox_oauth import CLIENT_EMAIL, keys
from connectors.google_sheets.table import Layout, Sheet, Table
from connectors.google_sheets.wire import Explained
from connectors.sdk import Change, ConfigError, HttpResponse, RateLimitError
from mappings.check import check_mapping
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping
from tests.connectors.deeds import google_sheets
from tests.connectors.described import folder

Schema = dict[str, Any]


FIXTURES = Path(connectors.google_sheets.__file__).parent / "fixtures"


@pytest.mark.parametrize(
    ("name", "status", "error", "says"),
    [
        ("error.service_disabled", 403, ConfigError, "Enable the Google Sheets API"),
        ("error.drive_rate", 403, RateLimitError, "slow down"),
        ("error.quota", 429, type(None), ""),  # the general reading of 429
        ("error.not_a_spreadsheet", 400, ConfigError, "save it as Google Sheets"),
    ],
)
def test_googles_own_wording_of_a_refusal_is_understood(
    name: str, status: int, error: type[Exception], says: str
) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    answer = HttpResponse("GET", "/v4/spreadsheets/1x", status, httpx.Headers(), body)
    found = Explained("1x", "hub@example.com").explain(answer)
    assert type(found) is error
    assert says in str(found)


def test_googles_answer_is_read_with_its_gaps() -> None:
    answer = json.loads((FIXTURES / "values.batchGet.json").read_bytes())
    sheet = Sheet(
        Layout("_hub_key", 1, 100, False),
        "Team tasks",
        answer["valueRanges"][0]["values"],
        kinds={4: "date"},
    )
    table = Table([sheet])
    first, second = table.rows.values()
    assert (first.key, first.number, first.data["Due"]) == ("k-0001", 2, "2026-03-04")
    assert (second.key, second.number, second.data["Notes"]) == ("k-0002", 5, "=not a formula")
    assert second.data["Due"] is None
    assert [row.place for row in table.keyless] == ["row 4 of 'Team tasks'"]


class Everybody:
    """A directory in which people have one name everywhere."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return f"party:{handle}"

    def handle_for(self, connection: str, party: str) -> str | None:
        return party.removeprefix("party:")


def connect(sandbox: GoogleSheetsSandbox, **settings: Any) -> GoogleSheetsConnector:
    block = {
        "base_url": sandbox.url,
        "spreadsheet": sandbox.spreadsheet,
        "auth": {"client_email": CLIENT_EMAIL, "private_key": keys()[0]},
        **settings,
    }
    return GoogleSheetsConnector("tracker", GoogleSheetsConfig.model_validate(block))


def test_every_field_that_is_asked_for_exists() -> None:
    file = folder() / "google" / "sheets.v4.json"
    if not file.is_file():
        pytest.skip("HUB_VENDOR_SPECS has no google/sheets.v4.json")
    schemas = json.loads(file.read_bytes())["schemas"]
    masks = [
        mask
        for one in google_sheets()
        for name, mask in parse_qsl(one.query)
        if name == "fields" and one.path.startswith("/v4/")
    ]
    assert masks
    for mask in masks:
        asked(schemas, "Spreadsheet", mask)


def asked(schemas: dict[str, Schema], name: str, mask: str) -> None:
    """Fail unless every name in a mask `a,b(c)` is a property where it stands."""
    stack, last = [schemas[name]], schemas[name]
    for word, sign in re.findall(r"(\w*)([(),]|$)", mask):
        if word:
            assert word in stack[-1]["properties"], f"{stack[-1]['id']} has no {word}."
            part = stack[-1]["properties"][word]
            part = part.get("items", part)
            last = schemas[part["$ref"]] if "$ref" in part else part
        if sign == "(":
            stack.append(last)
        elif sign == ")":
            stack.pop()


def mapping() -> CompiledMapping:
    file = Path(connectors.google_sheets.__file__).parent / "mappings" / "row.yaml"
    spec, findings = load_mapping(str(file), file.read_text())
    assert spec is not None, findings
    assert [*findings, *check_mapping(spec)] == []
    return compile_mapping(spec)


def test_the_examples_of_the_default_mapping_hold() -> None:
    assert run_examples(mapping(), lambda name: None) == []


def test_the_default_mapping_reads_and_writes_the_sandboxs_rows() -> None:
    with GoogleSheetsSandbox() as sandbox:
        sheets = connect(sandbox)
        values = {
            "title": "Order laptops",
            "description": "=for the office",
            "status": "in_progress",
            "assignee": "party:ann@example.com",
            "due": {"date": "2026-03-04"},
        }
        outward = mapping().outward(values, Everybody(), "tracker")
        assert outward.problems == []
        (result,) = sheets.push([Change("create", "row", "k-1", outward.fields)])
        assert result.record is not None
        inward = mapping().inward(result.record.data, Everybody(), "tracker")
        assert inward.problems == []
        assert inward.values == values
        (page,) = sheets.pull("row", {}, ())
        assert page.records[0].data == result.record.data
        sheets.close()
