"""Every request to Google Sheets exists in Google's own description of its API, and the default
mapping reads what the sandbox gives.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import connectors.google_sheets
from connectors.google_sheets.connector import GoogleSheetsConfig, GoogleSheetsConnector
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.google_sheets.sandbox_grid import Box
from connectors.google_sheets.sandbox_oauth import CLIENT_EMAIL, keys
from connectors.google_sheets.table import Layout, Sheet, Table
from connectors.google_sheets.wire import Explained
from connectors.sdk import Change, ConfigError, HttpResponse, Outcome, RateLimitError
from mappings.check import check_mapping
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping

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


def everything(sandbox: GoogleSheetsSandbox) -> None:
    """Make the connector send each kind of request it knows."""
    sheets = connect(sandbox)
    sandbox.populate()
    sheets.check()
    sheets.discover("row")
    (page,) = sheets.pull("row", {}, ())
    sandbox.add(Title="Typed by a person")
    sheets.push(
        [
            Change("create", "row", "new", {"Title": "New", "Due": "2026-03-04"}),
            Change("update", "row", "k", {"Status": "Done"}, id=page.records[0].id),
        ]
    )
    sheets.close()
    # a remark beside the table, which Google takes for a part of it
    tab = sandbox.tab("Done")
    for line in tab.boxes:
        line.insert(0, Box())
    tab.box(2, 1).value = tab.box(2, 2).value = "beside"
    beside = connect(sandbox, sheets="Done")
    (result,) = beside.push([Change("create", "row", "x", {"Title": "New"})])
    assert result.outcome is Outcome.REJECTED
    beside.close()


@pytest.fixture(scope="module")
def calls() -> list[tuple[str, str, list[tuple[str, str]], Any]]:
    with GoogleSheetsSandbox() as sandbox:
        everything(sandbox)
        return list(sandbox.calls)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    folder = os.environ.get("HUB_VENDOR_SPECS")
    file = Path(folder or ".") / "google" / "sheets.v4.json"
    if not folder or not file.exists():
        pytest.skip("HUB_VENDOR_SPECS names no folder with google/sheets.v4.json")
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def methods(resource: dict[str, Any]) -> list[dict[str, Any]]:
    own = list(resource.get("methods", {}).values())
    return own + [one for part in resource.get("resources", {}).values() for one in methods(part)]


def method_for(described: dict[str, Any], verb: str, path: str) -> dict[str, Any]:
    for method in methods(described):
        pattern = re.sub(r"\\{\w+\\}", "[^/:]+", re.escape("/" + method["flatPath"]))
        if method["httpMethod"] == verb and re.fullmatch(pattern, path):
            return method
    raise AssertionError(f"Google has no {verb} {path}.")


def test_every_request_is_one_that_google_describes(
    calls: list[Any], described: dict[str, Any]
) -> None:
    common = set(described["parameters"])
    seen = set()
    for verb, path, query, body in calls:
        if not path.startswith("/v4/"):
            continue
        method = method_for(described, verb, path)
        seen.add(method["id"].removeprefix("sheets.spreadsheets."))
        for name, value in query:
            parameter = method["parameters"].get(name) or described["parameters"].get(name)
            assert parameter, f"{method['id']} takes no {name}."
            assert value in parameter.get("enum", [value]), f"{name} is no {value}."
            assert name in common or parameter["location"] == "query"
        names = [name for name, _ in query]
        for name in set(names):
            repeated = method["parameters"].get(name, {}).get("repeated", False)
            assert repeated or names.count(name) == 1, f"{name} is given twice."
        if body is not None:
            holds(described["schemas"], {"$ref": method["request"]["$ref"]}, body, method["id"])
    values = {f"values.{name}" for name in ("append", "batchClear", "batchGet", "batchUpdate")}
    assert seen == {"get", "batchUpdate", *values}


def holds(schemas: dict[str, Schema], schema: Schema, value: Any, place: str) -> None:
    """Fail unless a value has the shape that the description gives it."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        assert isinstance(value, dict), place
        known = schema.get("properties", {})
        for name, part in value.items():
            assert name in known, f"{place} has no {name}."
            holds(schemas, known[name], part, f"{place}.{name}")
    elif kind == "array":
        assert isinstance(value, list), place
        for part in value:
            holds(schemas, schema["items"], part, place)
    elif kind == "integer":
        assert type(value) is int, place
    elif kind == "boolean":
        assert type(value) is bool, place
    elif kind == "string":
        assert isinstance(value, str), place
        assert value in schema.get("enum", [value]), f"{place} is no {value}."


def test_every_field_that_is_asked_for_exists(calls: list[Any], described: dict[str, Any]) -> None:
    masks = [value for _, path, query, _ in calls for name, value in query if name == "fields"]
    assert masks
    for _, path, query, _ in calls:
        for name, mask in query:
            if name == "fields" and path.startswith("/v4/"):
                asked(described["schemas"], "Spreadsheet", mask)


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
