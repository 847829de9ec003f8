"""The descriptions in examples/services whose vendors describe their API themselves: what the rest
connector makes of them is what the vendor knows. The answers are made up here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import yaml

from connectors.rest.connector import RestConnector
from connectors.sdk import Change, Outcome
from connectors.sdk.faults import Exchange
from connectors.sdk.specs import Description
from tests.connectors.described import folder

HOME = Path(__file__).parents[2] / "examples" / "services"
ROW = {"id": 1, "title": "D", "subject": "A", "update_time": "2026-03-01T10:00:00Z"}
WRITES = {
    "deal": {"title": "Hello", "value": 12.5, "currency": "EUR", "stage_id": 3},
    "activity": {"subject": "Call", "type": "call", "due_date": "2026-04-01", "done": True},
}


def pipedrive(service: dict[str, Any]) -> list[Exchange]:
    """Everything that the description of Pipedrive can do, once."""
    settings = {"auth": {"key": "k"}, "values": {"company": "acme"}, "service": service}
    with respx.mock:

        def answer(request: httpx.Request) -> httpx.Response:
            listing = request.method == "GET" and not request.url.path.endswith(("/1", "/me"))
            last = "cursor" in request.url.params
            row = {**ROW, "id": 2} if last else ROW
            page = {"next_cursor": None if last else "more"}
            body = {"data": [row] if listing else row, "additional_data": page}
            return httpx.Response(200, json={"success": True, **body})

        calls = respx.route(host="acme.pipedrive.com").mock(side_effect=answer).calls
        crm = RestConnector("crm", RestConnector.config.model_validate(settings))
        crm.check()
        for object, fields in WRITES.items():
            crm.discover(object)
            cursor: Any = {}
            for page in crm.pull(object, {}, ()):
                cursor = page.cursor
            list(crm.pull(object, cursor, ()))
            crm.fetch(object, ["1"])
            [made] = crm.push([Change("create", object, "k-1", fields)])
            [done] = crm.push([Change("update", object, "k-2", fields, id="1", base=ROW)])
            assert (made.outcome, done.outcome) == (Outcome.OK, Outcome.OK)
        crm.close()
        return [exchange(call.request, call.response) for call in calls]


def exchange(request: httpx.Request, response: httpx.Response) -> Exchange:
    return Exchange(
        request.method,
        request.url.raw_path.decode().partition("?")[0],
        request.url.query.decode(),
        dict(request.headers),
        request.content,
        response.status_code,
        dict(response.headers),
        response.content,
    )


@pytest.fixture(scope="module")
def described() -> Description:
    file = folder() / "pipedrive" / "pipedrive-v2.full.yml"
    if not file.is_file():
        pytest.skip("HUB_VENDOR_SPECS has no pipedrive/pipedrive-v2.full.yml")
    return Description.read(file)


ALLOWED = {
    r"[^:]+: answer": "made up here",
    r"GET /api/v1/users/me: no such path": "described with version 1",
}


def test_pipedrive_knows_what_its_description_asks_for(described: Description) -> None:
    told = yaml.safe_load((HOME / "pipedrive.yaml").read_text())
    exchanges = pipedrive(told)
    assert described.findings(exchanges, ALLOWED) == []
    kinds = {(one.method, described.operation(one)) for one in exchanges}
    assert len(kinds) == 9


def test_a_wrong_parameter_in_a_description_is_found(described: Description) -> None:
    told = yaml.safe_load((HOME / "pipedrive.yaml").read_text())
    told["objects"]["deal"]["list"]["query"]["sort_by"] = "age"
    told["objects"]["activity"]["list"]["since"]["parameter"] = "changed_since"
    found = described.findings(pipedrive(told), ALLOWED)
    assert len(found) == 2
    assert "GET /api/v2/deals: request .sort_by: 'age' is not one of" in found[0]
    assert found[1] == "GET /api/v2/activities: query changed_since: no such parameter"


def test_a_wrong_value_in_a_write_is_found(described: Description) -> None:
    told = yaml.safe_load((HOME / "pipedrive.yaml").read_text())
    created = next(
        one for one in pipedrive(told) if (one.method, one.path) == ("POST", "/api/v2/deals")
    )
    wrong = replace(created, body=b'{"title":"Hello","value":"12.5"}')
    assert described.findings([wrong], {r"[^:]+: answer": "made up here"}) == [
        "POST /api/v2/deals: request .value: '12.5' is not of type 'number'"
    ]
