"""The descriptions in examples/services: each loads, and reads and writes answers in the shape of
its vendor's documentation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import yaml

from connectors.rest.connector import RestConnector
from connectors.sdk import Change, Delivery, Fetch, Outcome, Record, SignatureError

HOME = Path(__file__).parents[2] / "examples" / "services"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "redmine": {
        "base_url": "https://redmine.test",
        "auth": {"key": "k"},
        "values": {"project": "ops"},
    },
    "freshdesk": {"auth": {"key": "fd-key"}, "values": {"domain": "acme"}},
    "pipedrive": {"auth": {"key": "pd-key"}, "values": {"company": "acme"}},
    "zendesk": {
        "auth": {"username": "ops@acme.test/token", "password": "zd"},
        "values": {"subdomain": "acme"},
    },
}
SECRET = "hub_test_secret"


def connected(name: str) -> RestConnector:
    service = yaml.safe_load((HOME / f"{name}.yaml").read_text())
    settings = {**ACCOUNTS[name], "service": service, "webhook": {"secret": SECRET}}
    return RestConnector(name, RestConnector.config.model_validate(settings))


def pulled(
    connector: RestConnector, object: str, cursor: dict[str, Any]
) -> tuple[list[Record], Any]:
    records: list[Record] = []
    after: Any = cursor
    for page in connector.pull(object, cursor, ()):
        records += page.records
        after = page.cursor
    return records, after


def test_every_description_has_an_account_here() -> None:
    assert {path.stem for path in HOME.glob("*.yaml")} == set(ACCOUNTS)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_description_loads_and_says_what_it_can_do(name: str) -> None:
    connector = connected(name)
    for spec in connector.objects.values():
        assert spec.pull
        assert spec.title
    assert any(spec.webhook and spec.fetch and spec.push for spec in connector.objects.values())
    connector.close()


@respx.mock
def test_redmine_is_read_by_offset_and_read_back_after_a_write_without_an_answer() -> None:
    issue = {
        "id": 12,
        "subject": "Login fails",
        "status": {"id": 1, "name": "New"},
        "custom_fields": [{"id": 5, "name": "Hub key", "value": "key-1"}],
        "updated_on": "2026-03-01T10:00:00Z",
    }
    listing = respx.get("https://redmine.test/issues.json").respond(
        200, json={"issues": [issue], "total_count": 1, "offset": 0, "limit": 100}
    )
    connector = connected("redmine")
    (record,), cursor = pulled(connector, "issue", {})
    assert (record.id, record.key, record.url) == ("12", "key-1", "https://redmine.test/issues/12")
    assert pulled(connector, "issue", cursor) == ([], cursor)
    asked = listing.calls.last.request
    assert asked.url.params["updated_on"] == ">=2026-03-01T10:00:00Z"
    assert asked.headers["x-redmine-api-key"] == "k"

    put = respx.put("https://redmine.test/issues/12.json").respond(204)
    respx.get("https://redmine.test/issues/12.json").respond(200, json={"issue": issue})
    change = Change("update", "issue", "k2", {"status_id": 3}, id="12", base=issue)
    (result,) = connector.push([change])
    assert json.loads(put.calls.last.request.content) == {"issue": {"status_id": 3}}
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["status"]["id"] == 1  # the transition was not allowed: it shows

    post = respx.post("https://redmine.test/issues.json").respond(201, json={"issue": issue})
    fields = {"subject": "Login fails", "custom_fields": [{"id": 7, "value": "x"}]}
    (result,) = connector.push([Change("create", "issue", "key-1", fields)])
    sent = json.loads(post.calls.last.request.content)["issue"]
    assert sent["project_id"] == "ops"
    assert sent["custom_fields"] == [{"id": 7, "value": "x"}, {"id": 5, "value": "key-1"}]
    (found,) = connector.find("issue", [Change("create", "issue", "key-1", fields)])
    assert found == result.record
    post.respond(422, json={"errors": ["Subject cannot be blank"]})
    (result,) = connector.push([Change("create", "issue", "key-3", {"subject": ""})])
    assert (result.outcome, result.field_errors) == (
        Outcome.REJECTED,
        {"*": "Subject cannot be blank"},
    )
    connector.close()


@respx.mock
def test_freshdesk_is_read_by_page_with_its_conversations_below() -> None:
    base = "https://acme.freshdesk.com/api/v2"
    ticket = {"id": 20, "subject": "Login fails", "updated_at": "2026-03-01T10:00:00Z"}
    ticket["custom_fields"] = {"cf_hub_key": "key-7"}
    listing = respx.get(f"{base}/tickets").respond(200, json=[ticket])
    note = {"id": 5, "ticket_id": 20, "body": "Hi", "updated_at": "2026-03-01T10:00:00Z"}
    respx.get(f"{base}/tickets/20/conversations").respond(200, json=[note])
    connector = connected("freshdesk")
    (record,), _ = pulled(connector, "ticket", {})
    first = listing.calls[0].request
    assert first.url.params["updated_since"] == "2020-01-01T00:00:00Z"
    assert first.headers["authorization"] == httpx.BasicAuth("fd-key", "X")._auth_header
    assert record.key == "key-7"
    (below,), _ = pulled(connector, "note", {})
    assert (below.id, below.parent) == ("5", "20")
    post = respx.post(f"{base}/tickets").respond(
        400,
        json={
            "description": "Validation failed",
            "errors": [{"field": "status", "message": "It should be 2", "code": "invalid_value"}],
        },
    )
    (result,) = connector.push([Change("create", "ticket", "key-8", {"subject": "New"})])
    assert json.loads(post.calls.last.request.content)["custom_fields"] == {"cf_hub_key": "key-8"}
    assert result.field_errors == {"status": "It should be 2"}
    assert "Validation failed" in result.message
    connector.close()


@respx.mock
def test_pipedrive_is_read_by_cursor_oldest_first() -> None:
    base = "https://acme.pipedrive.com/api/v2"

    def deals(request: httpx.Request) -> httpx.Response:
        since = request.url.params.get("updated_since", "")
        rows = [
            {"id": n, "title": f"D{n}", "update_time": f"2026-03-01T10:0{n}:00Z"} for n in (1, 2, 3)
        ]
        rows = [row for row in rows if row["update_time"] >= since]
        start = int(request.url.params.get("cursor", "0"))
        more = str(start + 2) if start + 2 < len(rows) else None
        page = {"next_cursor": more}
        return httpx.Response(
            200,
            json={"success": True, "data": rows[start : start + 2], "additional_data": page},
        )

    respx.get(f"{base}/deals").mock(side_effect=deals)
    connector = connected("pipedrive")
    records, cursor = pulled(connector, "deal", {})
    assert [record.id for record in records] == ["1", "2", "3"]
    assert pulled(connector, "deal", cursor) == ([], cursor)
    respx.patch(f"{base}/deals/1").respond(200, json={"success": False, "error": "Deal is locked"})
    respx.get(f"{base}/deals/1").respond(200, json={"success": True, "data": records[0].data})
    change = Change("update", "deal", "k", {"title": "New"}, id="1", base=records[0].data)
    (result,) = connector.push([change])
    assert result.outcome is Outcome.REJECTED
    assert "Deal is locked" in result.message
    connector.close()


@respx.mock
def test_zendesk_keeps_the_cursor_of_its_export() -> None:
    base = "https://acme.zendesk.com/api/v2"
    ticket = {"id": 35, "subject": "Login fails", "status": "open"}
    ticket |= {"updated_at": "2026-03-01T10:00:00Z", "generated_timestamp": 1772359201}
    gone = {**ticket, "id": 36, "status": "deleted"}

    def export(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        rows = {None: [ticket], "c1": [gone], "c2": []}[cursor]
        after = {None: "c1", "c1": "c2", "c2": "c2"}[cursor]
        body = {"tickets": rows, "after_cursor": after, "end_of_stream": cursor is not None}
        return httpx.Response(200, json=body)

    route = respx.get(f"{base}/incremental/tickets/cursor.json").mock(side_effect=export)
    connector = connected("zendesk")
    records, cursor = pulled(connector, "ticket", {})
    assert [(record.id, record.deleted) for record in records] == [("35", False), ("36", True)]
    assert cursor == {"at": "c2"}
    assert records[0].version == "00000000001772359201"
    assert route.calls[0].request.url.params["start_time"] == "1"
    assert "start_time" not in route.calls[1].request.url.params
    assert pulled(connector, "ticket", cursor) == ([], cursor)
    put = respx.put(f"{base}/tickets/35.json").respond(200, json={"ticket": ticket})
    respx.get(f"{base}/tickets/35.json").respond(200, json={"ticket": ticket})
    connector.push([Change("update", "ticket", "k", {"status": "solved"}, id="35", base=ticket)])
    assert json.loads(put.calls.last.request.content) == {"ticket": {"status": "solved"}}
    connector.close()


def test_zendesk_and_redmine_webhooks_prove_themselves() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    body = b'{"type":"zen:event-type:ticket.status_changed","detail":{"id":"35"}}'
    mac = hmac.new(SECRET.encode(), b"2026-01-01T00:00:00Z" + body, hashlib.sha256).digest()
    headers = {
        "x-zendesk-webhook-signature": base64.b64encode(mac).decode(),
        "x-zendesk-webhook-signature-timestamp": "2026-01-01T00:00:00Z",
        "x-zendesk-webhook-invocation-id": "inv-1",
    }
    delivery = Delivery("POST", "https://hub.test/webhooks/zendesk", headers, body, now)
    connector = connected("zendesk")
    assert connector.verify(delivery) == "inv-1"
    assert connector.parse(delivery) == [Fetch("ticket", ["35"])]
    assert "x-zendesk-webhook-signature-timestamp" in connector.stored_headers

    body = b'{"type":"issue.deleted","data":{"issue":{"id":12}}}'
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    headers = {"x-redmine-signature-256": f"sha256={mac.hex()}"}
    delivery = Delivery("POST", "https://hub.test/webhooks/redmine", headers, body, now)
    redmine = connected("redmine")
    assert redmine.verify(delivery) is None
    assert redmine.parse(delivery) == [Record("issue", "12", {}, deleted=True)]
    with pytest.raises(SignatureError):
        connector.verify(delivery)
