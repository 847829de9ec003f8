"""What is peculiar to the rest connector: its words, and what it makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.rest.connector import RestConnector
from connectors.rest.discovery import fields_of
from connectors.rest.objects import ObjectWords
from connectors.rest.sandbox import DesklySandbox
from connectors.rest.shapes import Shape
from connectors.rest.templates import compile_template, filled
from connectors.rest.times import stamp, timed, unstamp, written
from connectors.rest.writing import differing
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    ConflictError,
    NotFoundError,
    Outcome,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.conformance.kit import resolve
from connectors.sdk.paths import MISSING, compile_condition, compile_path

BASE = "https://api.acme.test"


def connected(service: dict[str, Any], **settings: Any) -> RestConnector:
    block = {"base_url": BASE, "service": service, **settings}
    return RestConnector("acme", RestConnector.config.model_validate(block))


def listed(**words: Any) -> dict[str, Any]:
    """A service with one object and the words of its list."""
    return {"objects": {"thing": {"updated_at": "at", "list": {"path": "/things", **words}}}}


def pulled(connector: RestConnector, cursor: Any = None) -> list[Any]:
    return [one.id for page in connector.pull("thing", cursor or {}, ()) for one in page.records]


# ------------------------------------------------------------------------------ paths and templates


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", {"b": [{"c": 1}, {"c": 2}], "d.e": 5}),
        ("$", {"a": {"b": [{"c": 1}, {"c": 2}], "d.e": 5}}),
        ("a.b[1].c", 2),
        ("$.a.b[-1].c", 2),
        ("$.a['d.e']", 5),
        ("a.b[*].c", [1, 2]),
        ("$.a.b[?(@.c == 2)].c", [2]),
        ("a.x", MISSING),
        ("a.b.c", MISSING),
        ("a.b[7]", MISSING),
    ],
)
def test_a_path_leads_to_what_stands_there(path: str, found: Any) -> None:
    assert compile_path(path).read({"a": {"b": [{"c": 1}, {"c": 2}], "d.e": 5}}) == found


@pytest.mark.parametrize(
    "path", ["", "a..b", "$..*", "a b c", ".a", "a.b[?(@.c =~ '(x+)+y')]", "$.a.`len`", "x" * 501]
)
def test_a_path_that_could_search_for_ever_or_says_nothing_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"path|offered"):
        compile_path(path)


@pytest.mark.parametrize(
    ("text", "data", "holds"),
    [
        ("$.ok == false", {"ok": False}, True),
        ("$.ok == false", {"ok": 0}, False),
        ("$.ok == false", {}, False),
        ("$.status == 'deleted'", {"status": "deleted"}, True),
        ("status == deleted", {"status": "deleted"}, True),
        ('$.status != "open"', {"status": "x"}, True),
        ("$.n == 1", {"n": True}, False),
        ("$.gone", {"gone": True}, True),
        ("$.gone", {"gone": ""}, False),
        ("$.gone", {}, False),
        ("$.deleted_at != null", {"deleted_at": "2026"}, True),
        ("$.deleted_at != null", {}, False),
        ("$.errors[?(@.code == 5)]", {"errors": [{"code": 5}]}, True),
    ],
)
def test_a_condition_compares_as_json_does(text: str, data: Any, holds: bool) -> None:
    assert compile_condition(text).holds(data) is holds


@pytest.mark.parametrize(
    "text", ["/a/{id", "/a/}", "/a/{ id }", "/a/{nothing}", "/a/{}", "/{id.__class__}/{x[*]}"]
)
def test_a_gap_that_nothing_fills_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"gap|brace|path"):
        compile_template(text)


@given(st.text(min_size=1))
def test_whatever_an_id_holds_it_stays_within_its_segment_of_the_address(id: str) -> None:
    template = compile_template("/things/{id}/notes")
    try:
        path = template.path({"id": id})
    except RejectedError:
        assert id in (".", "..")
        return
    except UnicodeEncodeError:
        return
    assert httpx.URL(BASE + path).raw_path.count(b"/") == 3
    assert "?" not in path
    assert "#" not in path


def test_a_value_that_looks_like_a_gap_is_not_filled_again() -> None:
    scope = {"id": "{key}", "key": "secret", "since": 5}
    assert compile_template("{id}").fill(scope) == "{key}"
    body = {"a": "{since}", "b": "x {since}", "c": "{{id}}", "d": ["{id}", 3, None]}
    assert filled(body, scope) == {"a": 5, "b": "x 5", "c": "{id}", "d": ["{key}", 3, None]}
    assert filled(body, {"id": "1"}) == {"c": "{id}", "d": ["1", 3, None]}


# --------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.000000Z"),
        ("2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00.500000Z"),
        ("2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00.123456Z"),
        ("2026-03-01T10:00:00.000+0200", "2026-03-01T08:00:00.000000Z"),
        ("2026-03-01 10:00:00 UTC", "2026-03-01T10:00:00.000000Z"),
        ("2026-03-01 10:00", "2026-03-01T09:00:00.000000Z"),
        ("2026-03-01", "2026-02-28T23:00:00.000000Z"),
        (1772359200, "2026-03-01T10:00:00.000000Z"),
        ("1772359200", "2026-03-01T10:00:00.000000Z"),
        (1772359200123, "2026-03-01T10:00:00.123000Z"),
    ],
)
def test_times_are_read_in_the_shapes_of_vendors_and_sort_as_text(value: Any, moment: str) -> None:
    assert timed(value, "Europe/Zurich") == (unstamp(moment), moment)
    assert stamp(unstamp(moment)) == moment


@pytest.mark.parametrize("value", [None, True, "", "soon", "2026-13-01", [], 1e300, "9" * 49])
def test_what_is_no_time_is_told_with_its_place(value: Any) -> None:
    words = ObjectWords.model_validate({"updated_at": "at", "list": {"path": "/things"}})
    shape = Shape("thing", words, {})
    with pytest.raises(PayloadError, match=r"thing\.at"):
        shape.stamp({"id": "1", "at": value})


def test_a_time_is_written_as_the_parameter_wants_it_and_never_later() -> None:
    moment = datetime(2026, 7, 1, 10, 0, 59, 987654, UTC)
    zone = "Europe/Zurich"
    assert written(moment, "iso") == "2026-07-01T10:00:59Z"
    assert written(moment, "iso_ms") == "2026-07-01T10:00:59.987Z"
    assert written(moment, "epoch") == 1782900059
    assert written(moment, "epoch_ms") == 1782900059987
    assert written(moment, "datetime", zone) == "2026-07-01 12:00:59"
    assert written(moment, "minute", zone) == "2026-07-01 12:00"
    assert written(moment, "date", zone) == "2026-07-01"
    twice = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the second 02:30 of that night
    assert written(twice, "minute", zone) == "2026-10-25 01:30"


# ----------------------------------------------------------------------------------- descriptions


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        ({"objects": {}}, ("service", "objects"), "at least 1"),
        ({"auth": {"type": "header"}}, ("service", "auth"), "`name`"),
        ({"auth": {"type": "bearer"}}, (), "auth.token"),
        ({"rates": {"read": "often"}}, ("service", "rates"), "5/second"),
        (listed(paging={"kind": "cursor"}), ("paging",), "`next`"),
        (listed(paging={"kind": "page", "size": 5}), ("paging",), "`size_parameter`"),
        (listed(since={"parameter": "s", "zone": "Mars"}), ("zone",), "Europe/Zurich"),
        (listed(since={"parameter": "s", "template": ">="}), ("template",), "{since}"),
        (listed(for_each="ticket"), ("service",), "there is no object 'ticket'"),
        ({"objects": {"a": {"title": "A"}}}, ("a",), "neither how to list nor how to write"),
        ({"objects": {"a": {"create": {"path": "/a"}}}}, ("a",), "cannot be seen"),
        ({"webhook": {"events": {"*": {"object": "x", "id": "id"}}}}, ("service",), "object 'x'"),
        (
            {"webhook": {"events": {"*": {"object": "thing", "id": "id"}}}},
            ("service",),
            "`get` to read them",
        ),
        (
            {"webhook": {"scheme": "hmac", "events": {"*": "ignore"}}},
            ("service", "webhook"),
            "`header`",
        ),
        (
            {
                "webhook": {
                    "scheme": "hmac",
                    "header": "X-S",
                    "base": "{url}",
                    "events": {"*": "ignore"},
                }
            },
            ("service", "webhook"),
            "{body}",
        ),
    ],
)
def test_a_mistake_in_a_description_names_its_key_and_the_remedy(
    change: dict[str, Any], place: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        connected({**listed(), **change})
    told = caught.value.errors(include_url=False)
    assert any(says in one["msg"] for one in told)
    assert any(set(place) <= set(one["loc"]) for one in told)


def test_every_word_of_a_description_is_described() -> None:
    schema = RestConnector.config.model_json_schema()
    for name, model in schema["$defs"].items():
        for key, word in model.get("properties", {}).items():
            assert word.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ({}, True),
        ({"query": {"sort": "updated_at", "per_page": 50, "include_deleted": True}}, True),
        ({"query": {"state": "all", "since": ">={since}"}}, True),
        ({"query": {"status": "open"}}, False),
        ({"query": {"status": "open"}, "whole": True}, True),
        ({"query": {"project": "{values.project}"}}, False),
        ({"method": "POST", "body": {"filter": {"open": True}, "limit": 10}}, False),
        ({"whole": False}, False),
    ],
    ids=["plain", "order", "all", "open", "said", "project", "search", "partial"],
)
def test_a_list_that_fixes_what_is_on_it_does_not_show_all(
    words: dict[str, Any], whole: bool
) -> None:
    service = listed(paging={"kind": "none"})
    service["objects"]["thing"]["list"].update(words)
    assert RestConnector.offers({"service": service})["thing"].whole is whole


def test_what_a_connection_offers_is_what_its_description_says() -> None:
    service = listed(paging={"kind": "none"})
    thing = service["objects"]["thing"]
    assert RestConnector.offers({"service": service})["thing"].deletes == "swept"
    feed = {"kind": "cursor", "parameter": "after", "next": "cursor", "keep": True}
    offers = RestConnector.offers({"service": listed(paging=feed)})
    assert offers["thing"].deletes == "unseen", "a feed need not hold all there is"
    thing["get"] = {"path": "/things/{id}"}
    thing["update"] = {"path": "/things/{id}"}
    thing["deleted"] = "$.gone"
    spec = RestConnector.offers({"service": service})["thing"]
    assert (spec.pull, spec.fetch, spec.push, spec.deletes) == (
        True, True, frozenset({"update"}), "reported",
    )  # fmt: skip
    thing["get"]["path"] = "/{address.place}/{id}"
    assert not RestConnector.offers({"service": service})["thing"].fetch
    assert RestConnector.offers({"service": "not-there"}) == {}
    connector = connected(service)
    with pytest.raises(UnsupportedError, match="thing"):
        connector.push([Change("create", "thing", "k", {})])
    connector.close()


# ------------------------------------------------------------------------------------------ reading


@respx.mock
def test_a_page_of_just_a_usual_cap_is_not_taken_for_the_last() -> None:
    """500 are asked for, the vendor gives 100 at most and does not say so."""

    def things(request: httpx.Request) -> httpx.Response:
        start = (int(request.url.params["page"]) - 1) * 100
        rows = [{"id": n} for n in range(230)][start : start + 100]
        return httpx.Response(200, json=rows)

    respx.get(f"{BASE}/things").mock(side_effect=things)
    words = {"kind": "page", "size": 500, "size_parameter": "per_page"}
    connector = connected({"objects": {"thing": {"list": {"path": "/things", "paging": words}}}})
    assert len(pulled(connector)) == 230
    connector.close()


@respx.mock
def test_a_list_in_another_order_than_the_description_says_is_told_and_not_half_read() -> None:
    rows = [{"id": 1, "at": "2026-01-02"}, {"id": 2, "at": "2026-01-01"}]

    def things(request: httpx.Request) -> httpx.Response:
        since = request.url.params.get("s", "")
        return httpx.Response(200, json=[row for row in rows if str(row["at"]) >= since[:10]])

    respx.get(f"{BASE}/things").mock(side_effect=things)
    connector = connected(listed(since={"parameter": "s"}))
    with pytest.raises(PayloadError, match="sorted: false"):
        pulled(connector)
    connector = connected(listed(since={"parameter": "s"}, sorted=False))
    (*_, last) = connector.pull("thing", {}, ())
    assert last.cursor["since"] == "2026-01-02T00:00:00.000000Z"
    assert list(connector.pull("thing", last.cursor, ())) == []
    connector.close()


@respx.mock
def test_an_exclusive_parameter_is_asked_one_step_earlier() -> None:
    route = respx.get(f"{BASE}/things").respond(200, json=[{"id": 1, "at": 1772359200}])
    since = {"parameter": "after", "format": "epoch", "exclusive": True, "overlap": 60}
    connector = connected(listed(since=since))
    (page,) = connector.pull("thing", {}, ())
    assert list(connector.pull("thing", page.cursor, ())) == []
    assert route.calls[1].request.url.params["after"] == str(1772359200 - 60 - 1)
    connector.close()


@respx.mock
def test_a_search_by_post_takes_the_time_and_the_page_in_its_body() -> None:
    route = respx.post(f"{BASE}/search").respond(200, json={"hits": [{"id": 1, "at": 1772359200}]})
    words = {
        "path": "/search",
        "method": "POST",
        "send": "body",
        "body": {"filter": {"kind": "thing", "after": "{since}"}, "sort": ["at"]},
        "records": "hits",
        "since": {"format": "epoch_ms"},
        "paging": {"kind": "offset", "parameter": "from", "size": 50, "size_parameter": "size"},
    }
    connector = connected({"objects": {"thing": {"updated_at": "at", "list": words}}})
    (page,) = connector.pull("thing", {}, ())
    list(connector.pull("thing", page.cursor, ()))
    first, second = (json.loads(call.request.content) for call in route.calls)
    assert first == {"filter": {"kind": "thing"}, "sort": ["at"], "from": 0, "size": 50}
    assert second["filter"] == {"kind": "thing", "after": 1772359200000}
    connector.close()


@respx.mock
def test_a_cursor_may_be_the_last_record_of_the_page() -> None:
    def things(request: httpx.Request) -> httpx.Response:
        after = int(request.url.params.get("starting_after", "0"))
        rows = [{"id": n} for n in range(after + 1, min(after + 3, 6))]
        return httpx.Response(200, json={"data": rows, "has_more": after + 2 < 5})

    respx.get(f"{BASE}/things").mock(side_effect=things)
    words = {"kind": "cursor", "parameter": "starting_after", "last": "id", "more": "has_more"}
    service = {"path": "/things", "records": "data", "paging": words}
    connector = connected({"objects": {"thing": {"list": service}}})
    assert pulled(connector) == ["1", "2", "3", "4", "5"]
    connector.close()


@respx.mock
def test_a_link_to_another_host_is_not_followed() -> None:
    body = {"rows": [{"id": 1}], "next": "https://elsewhere.test/things?page=2"}
    respx.get(f"{BASE}/things").respond(200, json=body)
    words = {"kind": "next_url", "next": "next"}
    service = {"path": "/things", "records": "rows", "paging": words}
    connector = connected({"objects": {"thing": {"list": service}}})
    with pytest.raises(ConfigError, match=r"elsewhere\.test"):
        pulled(connector)
    connector.close()


def test_fields_are_read_off_a_page_with_their_types() -> None:
    rows = [
        {"id": 1, "due": "2026-01-01", "at": "2026-01-01T10:00:00Z", "who": {"name": "Ann"}},
        {"id": 2, "due": None, "tags": [], "ok": True, "who": None, "mixed": 1},
        {"id": 3, "mixed": "x", "never": None},
    ]
    assert {one.name: one.type for one in fields_of(rows)} == {
        "id": "number",
        "due": "date",
        "at": "datetime",
        "who": "object",
        "who.name": "text",
        "tags": "list",
        "ok": "boolean",
        "mixed": "text",
        "never": "text",
    }


@respx.mock
def test_a_parameter_that_knows_only_days_does_not_give_the_day_again_and_again() -> None:
    rows = [{"id": n, "at": f"2026-03-01T0{n}:00:00Z"} for n in range(1, 5)]
    respx.get(f"{BASE}/things").respond(200, json=rows)
    connector = connected(listed(since={"parameter": "s", "format": "date"}))
    (page,) = connector.pull("thing", {}, ())
    assert len(page.records) == 4
    assert list(connector.pull("thing", page.cursor, ())) == []
    connector.close()


# ------------------------------------------------------------------------------------------- errors


@respx.mock
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"ok": False, "error": "invalid_auth"}, AuthError),
        (200, {"ok": False, "error": "ratelimited"}, RateLimitError),
        (200, {"ok": False, "error": "no_such_thing"}, NotFoundError),
        (200, {"ok": False, "error": "anything"}, RejectedError),
        (423, {"error": "locked"}, ConflictError),
        (418, {"error": "busy"}, TransientError),
        (402, {}, ConfigError),
        (400, {"error": "anything"}, RejectedError),
        (404, {}, NotFoundError),
        (500, {}, TransientError),
    ],
)
def test_failures_are_told_as_the_description_says(status: int, body: Any, kind: type) -> None:
    errors = {
        "when": "$.ok == false",
        "code": "error",
        "codes": {
            "invalid_auth": "auth",
            "ratelimited": "rate_limit",
            "no_such_thing": "missing",
            "busy": "retry",
        },
        "status": {423: "conflict", 402: "config"},
        "message": "text",
    }
    body = {**body, "text": "because " + "x" * 900}
    respx.get(f"{BASE}/things").respond(status, json=body)
    connector = connected({**listed(), "errors": errors})
    with pytest.raises(kind) as caught:
        pulled(connector)
    assert len(str(caught.value)) < 400
    connector.close()


# ------------------------------------------------------------------------------------------ writing


@pytest.fixture
def deskly() -> Iterator[tuple[DesklySandbox, RestConnector]]:
    sandbox = DesklySandbox(auth="header")
    with sandbox:
        block = resolve(sandbox.connection(), sandbox.env())
        block.pop("connector")
        connector = RestConnector("desk", RestConnector.config.model_validate(block))
        yield sandbox, connector
        connector.close()


Desk = tuple[DesklySandbox, RestConnector]


def test_what_a_person_changed_meanwhile_is_not_overwritten(deskly: Desk) -> None:
    desk, connector = deskly
    row = desk.make_ticket({"subject": "A"}, by="ann")
    desk.edit_ticket(row["id"], by="ann", subject="Hers")
    id = str(row["id"])
    ours = Change("update", "ticket", "k", {"subject": "Ours"}, id=id, base=row)
    (result,) = connector.push([ours])
    assert result.outcome is Outcome.CONFLICT
    assert result.record is not None
    assert result.record.data["subject"] == "Hers"
    other = Change("update", "ticket", "k", {"state": "open"}, id=id, base=row)
    assert connector.push([other])[0].outcome is Outcome.OK
    writes = len(desk.ledger)
    assert connector.push([other])[0].outcome is Outcome.OK
    assert len(desk.ledger) == writes  # it was so already


def test_a_write_the_service_ignores_shows_in_the_result(deskly: Desk) -> None:
    desk, connector = deskly
    row = desk.make_ticket({"subject": "A"}, by="ann")
    desk.faults.silent = 1
    change = Change("update", "ticket", "k", {"state": "open"}, id=str(row["id"]), base=row)
    (result,) = connector.push([change])
    assert result.record is not None
    assert result.record.data["state"] == "new"


def test_a_record_that_was_made_is_not_forgotten_when_it_cannot_be_read_back() -> None:
    words = {
        "get": {"path": "/things/{id}"},
        "create": {"path": "/things", "answer_id": "id"},
        "key": {"field": "ref"},
        "list": {"path": "/things"},
    }
    with respx.mock:
        post = respx.post(f"{BASE}/things").respond(201, json={"id": 7})
        respx.get(f"{BASE}/things/7").respond(404)
        connector = connected({"objects": {"thing": words}})
        (result,) = connector.push([Change("create", "thing", "key-1", {"name": "A"})])
        assert json.loads(post.calls.last.request.content) == {"name": "A", "ref": "key-1"}
        assert result.outcome is Outcome.OK
        assert result.record is not None
        assert (result.record.id, result.record.key) == ("7", "key-1")
        assert "not read back" in result.message
        post.respond(201, json={})
        (result,) = connector.push([Change("create", "thing", "key-2", {})])
        assert result.outcome is Outcome.UNKNOWN
        post.respond(201, headers={"location": f"{BASE}/things/9"}, content=b"")
        connector.close()


@respx.mock
def test_the_version_goes_back_as_the_vendor_wrote_it() -> None:
    words = {
        "updated_at": "at",
        "version": "lock",
        "list": {"path": "/things"},
        "update": {
            "path": "/{values.site}/{address.place}/{id}",
            "answer": "$",
            "version_header": "If-Match",
            "form": True,
        },
        "address": {"place": "at_place.code"},
    }
    put = respx.patch(f"{BASE}/s%201/p%2F2/1").respond(
        200, json={"id": 1, "lock": 4, "at": "2026-01-01"}
    )
    connector = connected({"objects": {"thing": words}}, values={"site": "s 1"})
    change = Change(
        "update", "thing", "k", {"a": True}, id="1", address={"place": "p/2"}, base={"lock": 3}
    )
    (result,) = connector.push([change])
    assert put.calls.last.request.headers["if-match"] == "3"
    assert put.calls.last.request.content == b"a=true"
    assert result.record is not None
    assert result.record.version == f"{4:020d}"
    lost = Change("update", "thing", "k", {"a": 1}, id="1", base={"lock": 3})
    (result,) = connector.push([lost])
    assert result.outcome is Outcome.REJECTED
    assert "{address.place}" in result.message
    connector.close()


def test_a_find_without_a_request_of_its_own_looks_through_the_list(deskly: Desk) -> None:
    desk, _ = deskly
    service = desk.description()
    del service["objects"]["ticket"]["key"]["find"]
    del service["objects"]["note"]["key"]["find"]
    block = resolve({**desk.connection(), "service": service}, desk.env())
    block.pop("connector")
    connector = RestConnector("desk", RestConnector.config.model_validate(block))
    ticket = Change("create", "ticket", "k1", {"subject": "A"}, created_at=datetime.now(UTC))
    (made,) = connector.push([ticket])
    assert made.record is not None
    note = Change("create", "note", "k2", {"text": "B"}, parent=made.record.id)
    (below,) = connector.push([note])
    assert below.record is not None
    ((ticket_found,), (note_found,)) = (
        connector.find("ticket", [ticket]),
        connector.find("note", [note]),
    )
    assert ticket_found is not None
    assert note_found is not None
    assert (ticket_found.id, note_found.id) == (made.record.id, below.record.id)
    connector.close()


# ----------------------------------------------------------------------------------------- webhooks


def test_events_are_told_by_their_table_and_unknown_ones_are_loud(deskly: Desk) -> None:
    desk, connector = deskly
    now = datetime.now(UTC)

    def said(body: Any) -> list[Any]:
        return list(connector.parse(desk.signed(json.dumps(body).encode(), now)))

    assert said({"type": "user.created", "data": {}}) == []
    (gone,) = said({"type": "ticket.deleted", "data": {"id": 5}})
    assert (gone.id, gone.deleted) == ("5", True)
    with pytest.raises(PayloadError, match=r"'invoice\.paid'"):
        said({"type": "invoice.paid"})
    with pytest.raises(PayloadError, match=r"data\.ticket"):
        said({"type": "ticket.updated", "data": {}})


def test_several_events_in_one_delivery_and_a_challenge() -> None:
    service = listed()
    service["webhook"] = {
        "scheme": "token",
        "header": "X-Token",
        "each": "events",
        "event": "kind",
        "challenge": "challenge",
        "pong": "$.test == true",
        "events": {
            "thing": {"object": "thing", "record": "thing"},
            "thing.list": {"object": "thing", "pull": True},
            "*": "ignore",
        },
    }
    connector = connected(service, webhook={"secret": "a-token-for-tests"})
    from connectors.sdk import Delivery, PullHint

    def delivery(body: Any) -> Delivery:
        raw = json.dumps(body).encode()
        headers = {"x-token": "a-token-for-tests"}
        return Delivery("POST", "https://hub.test/x", headers, raw, datetime.now(UTC))

    row = {"id": 1, "at": "2026-01-01"}
    body = {"events": [{"kind": "thing", "thing": row}, {"kind": "thing.list"}, {"kind": "x"}]}
    record, hint = connector.parse(delivery(body))
    assert (record.id, hint) == ("1", PullHint("thing"))  # type: ignore[union-attr]
    reply = connector.handshake(delivery({"challenge": "abc"}))
    assert reply is not None
    assert reply.body == b"abc"
    assert connector.handshake(delivery({"test": True})) is not None
    assert connector.handshake(delivery(body)) is None
    assert connector.stored_headers == frozenset()  # the token itself is never stored
    connector.close()


def test_a_sandbox_that_a_person_opens_shows_a_page() -> None:
    with DesklySandbox() as desk:
        desk.populate()
        page = httpx.get(desk.url, trust_env=False).text
        assert "Printer on fire" in page


@pytest.mark.parametrize("base", [{"title": "One"}, {"title": "One", "due": None}])
def test_what_was_empty_when_we_looked_and_is_filled_now_is_somebody_elses_edit(
    base: dict[str, Any],
) -> None:
    """Also where the tool leaves out what is empty."""
    current = {"title": "One", "due": "2026-03-04"}
    assert differing({"due": "2026-05-06"}, current, base) == ({"due": "2026-05-06"}, ["due"])
    assert differing({"title": "Two"}, current, base) == ({"title": "Two"}, [])
    assert differing({"due": "2026-05-06"}, current, None) == ({"due": "2026-05-06"}, [])
