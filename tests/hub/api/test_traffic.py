"""What came in and went out, connections, figures, health, the reference and live updates."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.sdk import RateLimitError
from hub.api.stream import Stream
from hub.flow import change, connections
from hub.process.figures import measure, spread
from hub.store import circuits, held, inbox, work
from hub.store import figures as stored
from hub.store.tables import cases, steps
from hub.store.tables import held as held_table
from tests.hub.api.conftest import ENV, Api
from webhooks import Incoming


def delivered(api: Api, body: bytes, id: str = "guid-1") -> str:
    """A webhook request of GitHub, as the intake stores it; its row's id."""
    signature = hmac.new(ENV["GH_HOOK"].encode(), body, hashlib.sha256).hexdigest()
    incoming = Incoming(
        connection="github",
        delivery_id=id,
        received_at=datetime.now(UTC),
        method="POST",
        url="https://hub.acme.test/webhooks/github",
        headers={
            "content-type": "application/json",
            "x-github-event": "issues",
            "x-hub-signature-256": f"sha256={signature}",
        },
        body=body,
        body_hash=hashlib.sha256(body).hexdigest(),
        verdict="genuine",
        capture=False,
    )
    with api.hub.database.write() as tx:
        (stored,) = inbox.store(tx, [incoming])
    return stored.id


# ------------------------------------------------------------------------- deliveries and pushes


def test_a_delivery_is_shown_as_it_came_and_replayed_as_a_copy(api: Api) -> None:
    id = delivered(api, b'{"broken": "caf\xe9"')
    api.work()
    (listed,) = api.get("deliveries", "operator", status="quarantined", connection="github")[
        "items"
    ]
    assert "body" not in listed
    shown = api.get(f"deliveries/{id}", "operator")
    assert shown["body"] == '{"broken": "caf\ufffd"'
    assert shown["headers"]["x-github-event"] == "issues"
    assert (shown["size"], shown["replay_of"]) == (17, None)
    (exception,) = api.get("exceptions", type="unparseable")["items"]
    copy = api.post(f"deliveries/{id}/replay", None, "operator", 202)
    assert (copy["replay_of"], copy["status"]) == (id, "accepted")
    assert "intake" in api.woken
    assert api.get(f"exceptions/{exception['id']}")["status"] == "resolved"
    assert api.get(f"deliveries/{id}", "operator")["status"] == "quarantined"
    api.work()
    assert api.get(f"deliveries/{copy['id']}", "operator")["status"] == "quarantined"
    assert api.call("POST", "deliveries/dlv_none/replay", "operator").status_code == 404


def test_deliveries_come_in_pages(api: Api) -> None:
    made = [delivered(api, b"{}", f"guid-{number}") for number in range(5)]
    page = api.get("deliveries", "operator", limit=3)
    rest = api.get("deliveries", "operator", limit=3, cursor=page["next"])
    assert [one["id"] for one in page["items"] + rest["items"]] == made[::-1]


def test_a_push_tells_what_became_of_it(api: Api) -> None:
    task = api.post("tasks", {"title": "Plan party", "connection": "tracker"})
    (waiting,) = api.get("pushes", "operator", connection="tracker", status="pending")["items"]
    assert (waiting["entity"], waiting["op"], waiting["sent_at"]) == (task["id"], "create", None)
    api.work()
    sent = api.get(f"pushes/{waiting['id']}", "operator")
    assert (sent["status"], sent["attempts"], sent["key"]) == ("sent", 1, waiting["key"])
    assert sent["external_id"] is not None
    assert sent["sent_at"].endswith("Z")


# ------------------------------------------------------------------------------------ connections


def test_connections_tell_how_they_fare(api: Api) -> None:
    api.pull()
    tracker, github = api.get("connections")["items"]
    assert (tracker["name"], tracker["status"], tracker["health"]) == ("tracker", "active", "ok")
    (rows,) = tracker["objects"]
    assert rows["object"] == "row"
    assert rows["age"] < 60
    assert rows["pulling"] is False
    assert (github["health"], github["unsigned"], github["lag"]) == ("unused", False, 0.0)
    delivered(api, b"{}")
    github = api.get("connections/github")
    assert github["queued"] == {"deliveries": 1, "records": 0, "pushes": 0}
    assert github["lag"] > 0


def test_pulling_now_answers_with_counts(api: Api) -> None:
    done = api.post("connections/tracker/pull", {"wait": True}, "operator", 200)
    assert done["pulls"] == [
        {"object": "row", "status": "done", "seen": 1, "queued": 0, "unchanged": 0, "error": None}
    ]
    api.work()
    again = api.post("connections/tracker/pull", {"wait": True, "full": True}, "operator", 200)
    assert again["pulls"][0]["seen"] == 1
    assert api.post("connections/tracker/pull", {"wait": True}, "operator")["pulls"][0]["seen"] == 0


@pytest.mark.parametrize("full", [False, True])
def test_pulling_soon_sets_the_time_to_now(api: Api, full: bool) -> None:
    api.pull()
    later = api.get("connections/tracker")["objects"][0]
    assert datetime.fromisoformat(later["next_pull_at"]) > datetime.now(UTC)
    answer = api.post("connections/tracker/pull", {"full": full}, "operator", 202)
    assert answer["pulls"][0]["status"] == "scheduled"
    soon = api.get("connections/tracker")["objects"][0]
    assert datetime.fromisoformat(soon["next_pull_at"]) <= datetime.now(UTC)
    assert soon["cursor"] == later["cursor"]  # what changed is still read from there on
    assert (soon["backfill"] is not None) is full
    if full:
        assert soon["backfill"]["seen"] == 0
        api.pull()
        after = api.get("connections/tracker")["objects"][0]
        assert (after["backfill"], after["total"]) == (None, 1)
        assert after["full_at"] > later["full_at"]


def test_a_failing_pull_says_why(api: Api) -> None:
    api.sheet.unlink()
    done = api.post("connections/tracker/pull", {"wait": True}, "operator", 200)
    assert done["pulls"][0]["status"] == "failed"
    checked = api.post("connections/tracker/check", None, "operator")
    assert checked["ok"] is False
    assert "tracker.csv" in checked["error"]


def test_a_connection_is_checked_paused_and_resumed(api: Api) -> None:
    assert api.post("connections/tracker/check", None, "operator")["ok"] is True
    paused = api.post("connections/tracker/pause", {"comment": "Moving it."}, "operator")
    assert (paused["status"], paused["health"], paused["reason"]) == (
        "paused", "paused", "Moving it.",
    )  # fmt: skip
    refused = api.call("POST", "connections/tracker/pull", "operator")
    assert (refused.status_code, refused.json()["code"]) == (409, "connection_paused")
    resumed = api.post("connections/tracker/resume", None, "operator")
    assert (resumed["status"], resumed["reason"]) == ("active", None)
    assert api.get("exceptions", type="connection")["items"] == []


def test_an_object_that_cannot_be_pulled_is_named(api: Api) -> None:
    answer = api.call("POST", "connections/tracker/pull", "operator", json={"object": "wiki"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "object")


# ----------------------------------------------------------------------------------------- items


def test_parties_are_listed_by_name_in_pages(api: Api) -> None:
    page = api.get("parties", limit=2)
    rest = api.get("parties", limit=2, cursor=page["next"])
    names = [one["name"] for one in page["items"] + rest["items"]]
    assert names == ["Dana Meier", "Kim Roth", "Lee Kim"]
    assert [one["name"] for one in api.get("parties", q="lee@")["items"]] == ["Lee Kim"]
    assert api.get("parties", kind="system")["items"] == []


def test_items_are_listed_and_shown(api: Api) -> None:
    with api.hub.unit() as unit:
        amount = {"value": "12000.00", "currency": "CHF"}
        values = {"kind": "deal", "title": "Acme", "stage": "Won", "amount": amount}
        item = change.new_entity("item", values, unit)
        work.insert(unit.tx, "item", [item])
    (listed,) = api.get("items", kind="deal", q="acme")["items"]
    assert listed == api.get(f"items/{item['id']}")
    assert listed["amount"] == amount
    assert api.get("items", kind="order")["items"] == []


# --------------------------------------------------------------------------------------- figures


def moment(hours: float) -> datetime:
    return datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(hours=hours)


def test_the_figures_of_a_process_add_up(api: Api) -> None:
    now = moment(100)
    api.hub.clock = lambda: now
    made = [
        ("completed", 0, 10, 20),
        ("completed", 0, 30, 20),
        ("active", 0, None, 50),
        ("active", 0, None, 200),
        ("terminated", 0, 1, 20),
    ]
    for number, (status, started, completed, due) in enumerate(made):
        case = api.post("cases", {"process": "work", "title": str(number), "data": {"amount": 1}})
        times: dict[str, Any] = {
            "status": status,
            "started_at": moment(started),
            "completed_at": moment(completed) if completed else None,
            "due_by": moment(due),
        }
        with api.hub.database.write() as tx:
            tx.execute(cases.update().where(cases.c.id == case["id"]).values(times))
            tx.execute(
                steps.update()
                .where(steps.c.case_id == case["id"], steps.c.key == "documents")
                .values(times | {"waiting_on": "external"})
            )
            step = case["steps"][0]["id"]
            tx.execute(held_table.delete().where(held_table.c.case_id == case["id"]))
            side = {"case_id": case["id"], "party": None, "side": "external", "suspended": False}
            span = {"since": times["started_at"], "until": times["completed_at"]}
            held.begin(tx, [{**side, **span, "subject": one} for one in (case["id"], step)])
    found = api.get("metrics/process", process="work")
    assert (found["count"], found["active"], found["completed"], found["terminated"]) == (
        5,
        2,
        2,
        1,
    )
    assert found["cycle_time"] == {"p50": 36_000.0, "p90": 108_000.0}
    assert found["service_level"] == 33.3  # one in time, one late, one late already, one open
    assert found["weeks"][-1] == {"week": "2026-W10", "completed": 2}
    assert found["throughput_per_week"] == round(2 / 12, 2)
    hours = 10 + 30 + 100 + 100 + 1
    assert found["held"] == {"internal": 0.0, "external": hours * 3600.0, "system": 0.0}
    assert found["elapsed"] == hours * 3600.0
    (step,) = found["steps"]
    assert step["held"] == found["held"]
    assert (step["key"], step["count"], step["cycle_time"]["p50"]) == ("documents", 5, 36_000.0)
    assert api.get("metrics/process")["count"] == 5
    assert api.get("metrics/process", process="question")["count"] == 0


def test_figures_of_nothing_are_no_figures(api: Api) -> None:
    with api.hub.database.read() as tx:
        found = measure(tx, None, moment(0))
    assert (found.count, found.cycle_time.p50, found.service_level) == (0, None, None)
    assert found.throughput_per_week == 0


@pytest.mark.parametrize(
    ("seconds", "p50", "p90"),
    [([5.0], 5, 5), ([1.0, 2.0], 1, 2), ([float(n) for n in range(1, 11)], 5, 9)],
)
def test_percentiles_are_values_that_occurred(seconds: list[float], p50: float, p90: float) -> None:
    found = spread(seconds)
    assert (found.p50, found.p90) == (p50, p90)


def test_a_rate_limit_shows_until_it_is_over(api: Api) -> None:
    """Whatever words the tool's connector has for it."""
    with api.hub.unit() as unit:
        connections.note_failure(unit, "github", RateLimitError("Come back later.", 300.0))
    shown = api.get("connections/github")
    assert shown["rate_limit"]["limited"] is True
    assert datetime.fromisoformat(shown["rate_limit"]["until"]) > datetime.now(UTC)
    assert shown["subscription"] is None
    with api.hub.unit() as unit:
        connections.note_success(unit, "github")  # the answer to something asked before
    assert api.get("connections/github")["rate_limit"]["limited"] is True
    api.post("connections/github/resume", None, "operator")
    assert api.get("connections/github")["rate_limit"] == {"limited": False, "until": None}


def test_a_tool_that_does_not_answer_shows_as_left_alone_until_it_is_checked(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the list, in the figures, and no more once it answers."""
    monkeypatch.setattr(circuits, "FIRST", 600.0)  # longer than this test on the slowest machine
    with api.hub.unit() as unit:
        connections.note_trouble(unit, "tracker", "It answered 502.", times=5)
    shown = api.get("connections/tracker")
    assert (shown["circuit"]["state"], shown["circuit"]["trips"]) == ("open", 1)
    assert shown["circuit"]["why"] == "It answered 502."
    assert datetime.fromisoformat(shown["circuit"]["until"]) > datetime.now(UTC)
    assert shown["health"] == "failing"
    figures = api.client.get("/metrics").text
    assert 'hub_connection_circuit_open{connection="tracker"} 1.0' in figures
    assert 'hub_connection_trips{connection="tracker"} 1.0' in figures
    assert api.post("connections/tracker/check", None, "operator")["ok"] is True
    assert api.get("connections/tracker")["circuit"] == {
        "state": "closed", "trips": 0, "until": None, "why": None,
    }  # fmt: skip
    figures = api.client.get("/metrics").text
    assert 'hub_connection_circuit_open{connection="tracker"} 0.0' in figures


def test_prometheus_sees_queues_connections_and_events(api: Api) -> None:
    api.pull()
    delivered(api, b"{}")
    api.post("connections/tracker/pause", None, "operator")
    text = api.client.get("/metrics").text
    assert 'hub_queue_depth{connection="github",queue="deliveries"} 1.0' in text
    assert 'hub_connection_up{connection="tracker"} 0.0' in text
    assert 'hub_deliveries{connection="github",status="accepted"} 1.0' in text
    assert 'hub_exceptions_open{severity="high",type="connection"} 1.0' in text
    with api.hub.database.read() as tx:
        assert f"hub_events_total {float(stored.event_count(tx))}" in text


def test_it_lives_and_is_ready(api: Api) -> None:
    assert api.get("/healthz", None) == {"status": "ok"}
    assert api.get("/readyz", None) == {"status": "ready", "revision": 1}


# ------------------------------------------------------------------------------------- reference


def test_the_reference_names_every_call_and_needs_nothing_from_outside(api: Api) -> None:
    page = api.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in api.get("/openapi.json", None)["paths"]:
        assert path in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "https://hub.acme.test/api/v1/tasks" in page.text


def test_openapi_describes_errors_as_they_are(api: Api) -> None:
    document = api.get("/openapi.json", None)
    assert "HTTPValidationError" not in json.dumps(document)
    answers = document["paths"]["/api/v1/tasks"]["get"]["responses"]
    assert answers["default"]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyCookie"}


# ---------------------------------------------------------------------------------- live updates


async def read(stream: AsyncIterator[str]) -> str:
    return await asyncio.wait_for(anext(stream), 10)


def test_a_watcher_hears_what_changed_and_a_heartbeat_meanwhile() -> None:
    async def story() -> None:
        stream = Stream()
        async with aclosing(stream.watch(heartbeat=0.05)) as watching:  # type: ignore[type-var]
            assert "retry:" in await read(watching)
            await asyncio.to_thread(stream.publish, {"task", "case"})
            heard = await read(watching)
            assert heard == 'event: change\ndata: {"topics": ["case", "task"]}\n\n'
            assert await read(watching) == ": still here\n\n"
            assert stream.watching == 1
        assert stream.watching == 0

    asyncio.run(story())


def test_topics_pile_up_for_a_slow_watcher_instead_of_a_backlog() -> None:
    async def story() -> None:
        stream = Stream()
        async with aclosing(stream.watch()) as watching:  # type: ignore[type-var]
            await read(watching)
            for number in range(1000):
                stream.publish({"task" if number % 2 else "push"})
            assert await read(watching) == 'event: change\ndata: {"topics": ["push", "task"]}\n\n'

    asyncio.run(story())


def test_closing_ends_every_stream() -> None:
    async def story() -> list[str]:
        stream = Stream()
        heard = []
        async for text in stream.watch():
            heard.append(text)
            stream.close()
        return heard

    assert len(asyncio.run(story())) == 1


def test_the_stream_answers_as_server_sent_events(api: Api) -> None:
    """A change is made while the stream is open; ending the hub's streams ends the answer."""
    app: Any = api.client.app

    async def story() -> str:
        stream: Stream = app.state.stream
        headers = {"Authorization": f"Bearer {api.tokens['member']}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub.test") as client:
            asked = asyncio.create_task(client.get("/api/v1/stream", headers=headers))
            deadline = asyncio.get_running_loop().time() + 10
            while not stream.watching and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0)
            made = await client.post("/api/v1/tasks", headers=headers, json={"title": "A"})
            assert made.status_code == 201
            stream.close()
            answer = await asked
        assert answer.headers["content-type"].startswith("text/event-stream")
        return answer.text

    assert 'data: {"topics": ["task"]}' in asyncio.run(story())


@pytest.mark.scaled
def test_a_change_in_one_process_is_heard_in_another(redis_url: str) -> None:
    async def story() -> None:
        here, there = Stream(redis_url), Stream(redis_url)
        async with aclosing(there.watch(heartbeat=0.05)) as watching:  # type: ignore[type-var]
            heard = ""
            deadline = asyncio.get_running_loop().time() + 20
            while "change" not in heard and asyncio.get_running_loop().time() < deadline:
                await asyncio.to_thread(here.publish, {"task"})
                heard = await read(watching)
            assert '"task"' in heard
        here.close()
        await asyncio.to_thread(there.close)

    asyncio.run(story())


def test_a_broker_that_is_away_costs_no_change() -> None:
    """Without Redis the watchers of this process still hear; nobody else does."""

    async def story() -> None:
        stream = Stream("redis://127.0.0.1:1/0")
        async with aclosing(stream.watch()) as watching:  # type: ignore[type-var]
            await read(watching)
            await asyncio.to_thread(stream.publish, {"task"})
            assert '"task"' in await read(watching)
        await asyncio.to_thread(stream.close)

    asyncio.run(story())


def test_whoever_announces_a_change_waits_for_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream("redis://127.0.0.1:1/0")
    go, over = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        go.wait(20)
        over.set()

    monkeypatch.setattr(stream._redis, "publish", hang)
    stream.publish({"task", "push"})
    assert not over.is_set()
    go.set()
    stream.close()
    assert over.is_set()
