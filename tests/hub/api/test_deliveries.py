"""Deliveries narrowed down and replayed by filter; refused requests; connections that capture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.flow import connections as flow
from hub.store import delivered, events, notices
from hub.store.delivered import Narrow
from tests.hub.api.conftest import Api
from tests.hub.api.test_traffic import delivered as stored
from tests.hub.store.test_notices import notice


def ids(api: Api, **filters: object) -> list[str]:
    return [one["id"] for one in api.get("deliveries", "operator", **filters)["items"]]


def test_deliveries_are_narrowed_down(api: Api) -> None:
    first, second = stored(api, b"{}", "guid-one"), stored(api, b"[", "guid-two")
    api.work()
    assert ids(api, text="GUID-ONE") == [first]
    assert ids(api, text="%") == []
    assert ids(api, verdict="genuine", connection="github") == [second, first]
    assert ids(api, verdict="altered") == []
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert ids(api, since=soon) == []
    assert ids(api, until=soon, status="quarantined") == [second, first]
    assert api.call("GET", "deliveries?since=2026-03-02", "operator").status_code == 422


def test_a_filter_is_counted_then_replayed_in_batches(api: Api) -> None:
    """What was replayed already is not taken twice, and what came meanwhile not at all."""
    made = [stored(api, b"[", f"guid-{number}") for number in range(5)]
    api.work()
    wanted = {"filter": {"connection": "github", "status": "quarantined"}}
    counted = api.post("deliveries/replay", {**wanted, "dry_run": True}, "operator", 202)
    assert counted == {"matched": 5, "replayed": [], "next": None}
    first = api.post("deliveries/replay", {**wanted, "limit": 2}, "operator", 202)
    assert [one["replay_of"] for one in first["replayed"]] == made[:2]
    later = stored(api, b"[", "guid-later")
    api.work()
    rest = api.post("deliveries/replay", {**wanted, "cursor": first["next"]}, "operator", 202)
    assert (rest["matched"], rest["next"]) == (3, None)
    assert [one["replay_of"] for one in rest["replayed"]] == made[2:]
    again = api.post("deliveries/replay", {**wanted, "dry_run": True}, "operator", 202)
    assert again["matched"] == 3  # the newest copy of two, which failed again, and the later one
    assert api.get(f"deliveries/{later}", "operator")["replays"] == []
    assert api.get(f"deliveries/{made[0]}", "operator")["replays"] == [first["replayed"][0]["id"]]
    with api.hub.database.read() as tx:
        told = [row for row in events.everything(tx) if row["type"] == "delivery.replayed"]
    assert [len(row["data"]["deliveries"]) for row in told] == [2, 3]
    assert told[0]["data"]["filter"] == {"connection": "github", "status": "quarantined"}
    assert told[0]["actor"]["name"] == "operator"


def test_a_replay_needs_a_filter_and_a_role(api: Api) -> None:
    answer = api.call("POST", "deliveries/replay", "operator", json={"filter": {}})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    body = {"filter": {"status": "quarantined"}, "cursor": "bm9uc2Vuc2U"}
    refused = api.call("POST", "deliveries/replay", "operator", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "cursor_invalid")
    assert api.call("POST", "deliveries/replay", "dana", json=body).status_code == 403


def test_a_delivery_shows_what_it_became_and_what_is_wrong(api: Api) -> None:
    id = stored(api, b"[")
    api.work()
    shown = api.get(f"deliveries/{id}", "operator")
    assert shown["became"] == []
    (trouble,) = shown["exceptions"]
    assert (trouble["type"], trouble["status"]) == ("unparseable", "open")


def test_refusals_are_shown_with_what_to_do(api: Api) -> None:
    with api.hub.database.write() as tx:
        counted = notices.Count(
            "github", "refused", "signature_invalid", 2, *[datetime.now(UTC)] * 2
        )
        notices.keep(tx, [notice(), notice(part="token", reason="the address lacks the token")],
                     [counted])  # fmt: skip
    found = api.get("connections/github/refusals", "operator")
    assert [one["part"] for one in found["items"]] == ["token", "signature"]
    assert "webhook.token" in found["items"][0]["remedy"]
    assert "hub sign github" in found["items"][1]["remedy"]
    assert found["counts"][0]["count"] == 2
    assert api.get("connections/github")["refused_at"] is not None
    assert api.call("GET", "connections/github/refusals", "dana").status_code == 403
    assert api.call("GET", "connections/nobody/refusals", "operator").status_code == 404


def test_a_connection_that_captures_says_so(api: Api) -> None:
    assert api.get("connections/github")["capturing"] is False
    with api.hub.unit() as unit:
        flow.capture(unit, "github", timedelta(minutes=5))
    assert api.get("connections/github")["capturing"] is True


def test_a_follower_hands_out_each_delivery_once(api: Api) -> None:
    first = stored(api, b"{}", "guid-1")
    with api.hub.database.read() as tx:
        fresh, again = delivered.Follower(tx, "github"), delivered.Follower(tx, None, last=1)
        assert [row["id"] for row in again.look(tx)] == [first]
        assert fresh.look(tx) == again.look(tx) == []
    second = stored(api, b"{}", "guid-2")
    with api.hub.database.read() as tx:
        assert [row["id"] for row in fresh.look(tx)] == [second]
        assert [row["id"] for row in again.look(tx, limit=5)] == [second]
        assert fresh.look(tx) == []
        assert delivered.search(tx, Narrow(ids=[second]))[0]["id"] == second
