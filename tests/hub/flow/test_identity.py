"""Connections whose objects stand in their configuration, and records whose mapping says who they
are.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from connectors.sdk import Record
from connectors.sdk.versions import comparable
from hub.flow.identity import identified, text_of
from hub.flow.intake import parse
from hub.flow.pull import pullable
from hub.store import tables as t
from hub.workspace import load
from mappings import check
from mappings.compiler import compile_mapping
from mappings.language import load_mapping
from tests.hub.club import THING, ClubSandbox
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World

COUPON = """
mapping: club-coupon
connection: club
object: coupon
entity: task
identity: {key: $.code, version: $.revision, url: $.page}
fields:
  title: $.title
"""


@pytest.fixture
def club() -> Any:
    with ClubSandbox(["thing", "coupon"]) as sandbox:
        yield sandbox


@pytest.fixture
def world(make: MakeWorld, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(check, "DECLARES_IDENTITY", ("club",))
    return make({"club": club}, {"mappings/thing.yaml": THING, "mappings/coupon.yaml": COUPON})


# --------------------------------------------------------------------------------- what is offered


def findings(kinds: list[str], mapping: str, **connection: Any) -> list[str]:
    block = {"connector": "club", "base_url": "http://127.0.0.1:9", "kinds": kinds,
             "auth": {"secret": "env:CLUB_SECRET"}, "webhook": {"secret": "env:CLUB_HOOK"},
             **connection}  # fmt: skip
    written = yaml.safe_dump({"name": "acme", "connections": {"club": block}})
    loaded = load({"hub.yaml": written, "mappings/a.yaml": mapping}, CONNECTORS, None)
    return [str(found) for found in loaded.findings]


def test_a_mapping_may_name_what_its_connection_is_configured_with() -> None:
    assert findings(["thing"], THING) == []
    [found] = findings(["things"], THING)
    assert found.startswith("mappings/a.yaml:4:9 error: there is no club object 'thing'.")
    assert "'things'" in found


def test_so_may_a_list_of_what_to_pull() -> None:
    assert findings(["thing"], THING, pull={"objects": ["thing"]}) == []
    [found] = findings(["thing"], THING, pull={"objects": ["thong"]})
    assert "there is no club object 'thong'" in found


def test_a_configuration_that_makes_no_sense_offers_what_the_connector_has() -> None:
    """The finding is about the configuration."""
    found = findings(7, THING)  # type: ignore[arg-type]
    assert any("kinds" in one for one in found)


def test_records_of_a_configured_object_go_both_ways(world: World, club: ClubSandbox) -> None:
    assert pullable(world.hub.live.current()) == [("club", "thing"), ("club", "coupon")]
    club.put("thing", title="Theirs")
    world.pull()
    world.work()
    assert world.task["title"] == "Theirs"
    world.create("club", "thing", title="Ours")
    world.edit(world.task["id"] if len(world.tasks()) == 1 else world.tasks()[0]["id"], title="New")
    world.work()
    assert sorted(one["title"] for one in club.things["thing"]) == ["New", "Ours"]
    assert world.exceptions() == []


# ---------------------------------------------------------------------------- who a record is


def coupon(club: ClubSandbox, code: Any, **values: Any) -> dict[str, Any]:
    return club.put("coupon", code=code, **{"title": f"Coupon {code}", **values})


def links(world: World) -> list[tuple[str, str | None, str | None]]:
    return [(one["external_id"], one["remote_version"], one["url"]) for one in world.links()]


def test_the_key_is_who_it_is(world: World, club: ClubSandbox) -> None:
    """Two rows with one key are one record; a row that moved stays the same."""
    coupon(club, "A7", revision=9, page="https://club.test/A7")
    world.pull()
    world.work()
    coupon(club, "A7", revision=10, title="Better")
    world.pull()
    world.work()
    assert world.task["title"] == "Better"
    assert links(world) == [("A7", comparable(10), "https://club.test/A7")]
    assert {row["external_id"] for row in world.all(t.links)} == {"A7"}


def test_an_older_version_does_not_overwrite_a_newer_one(world: World, club: ClubSandbox) -> None:
    """Nine comes before ten."""
    world.bring(_record("1", "A7", 10, "Newer"), connection="club")
    world.work()
    world.bring(_record("1", "A7", 9, "Older"), connection="club")
    world.work()
    assert world.task["title"] == "Newer"


def _record(id: str, code: str, revision: int, title: str) -> Record:
    return Record("coupon", id, {"code": code, "revision": revision, "title": title})


def test_an_unchanged_record_is_not_brought_in_again(world: World, club: ClubSandbox) -> None:
    coupon(club, "A7", revision=1)
    for _ in range(3):
        with world.hub.database.write() as tx:
            tx.execute(t.cursors.update().values(cursor={}))
        world.pull()
        world.work()
    [created] = [row for row in world.events() if row["type"].startswith("task.")]
    assert created["type"] == "task.created"


def test_the_connector_is_told_its_own_id(world: World, club: ClubSandbox) -> None:
    """What is written goes to the row, whatever the mapping calls it."""
    row = coupon(club, "A7", revision=1)["row"]
    world.pull()
    world.work()
    world.edit(world.task["id"], title="Changed here")
    world.work()
    [thing] = club.things["coupon"]
    assert (thing["row"], thing["title"]) == (row, "Changed here")
    assert [link[0] for link in links(world)] == ["A7"]
    assert world.exceptions() == []


def test_a_record_that_is_gone_is_known_by_the_connectors_id(
    world: World, club: ClubSandbox
) -> None:
    """Nothing is left of it that could say who it was."""
    row = coupon(club, "A7", revision=1)["row"]
    world.pull()
    world.work()
    club.things["coupon"].clear()
    gone = Record("coupon", str(row), {}, deleted=True)
    stranger = Record("coupon", "4%", {}, deleted=True)
    world.bring(stranger, gone, connection="club")
    world.work()
    assert [link["remote_deleted"] for link in world.links()] == [True]


def test_a_delivery_speaks_of_the_same_record(world: World, club: ClubSandbox) -> None:
    coupon(club, "A7", revision=1)
    world.pull()
    world.work()
    snapshot = world.hub.live.current()
    body = b'{"kind":"coupon","thing":{"row":99,"edit":5,"code":"A7","revision":2,"title":"Told"}}'
    delivery = {"connection": "club", "id": "dlv_1", "method": "POST", "url": "http://hub/",
                "headers": {}, "body": body, "received_at": world.clock()}  # fmt: skip
    [one] = parse(snapshot, delivery)  # type: ignore[arg-type]
    assert one.external_id == "A7"
    world.bring(
        Record("coupon", "99", {"code": "A7", "revision": 2, "title": "Told"}), connection="club"
    )
    world.work()
    assert world.task["title"] == "Told"


def test_only_tools_without_identifiers_get_them_from_a_mapping() -> None:
    found = findings(["coupon"], COUPON)
    assert any("who a record is" in one for one in found)


@pytest.mark.parametrize(
    ("data", "id", "version", "url"),
    [
        ({"code": "A"}, "A", "v", "u"),
        ({"code": 7}, "7", "v", "u"),
        ({"code": 7.0}, "7", "v", "u"),
        ({"code": True}, "true", "v", "u"),
        ({"code": ""}, "own", "v", "u"),
        ({"code": None, "revision": None}, "own", "v", "u"),
        ({}, "own", "v", "u"),
        ({"revision": "2026-01-02"}, "own", "2026-01-02T00:00:00.000000+00:00", "u"),
        ({"revision": "3f2a9c"}, "own", None, "u"),
        ({"page": "javascript:alert(1)"}, "own", "v", "u"),
        ({"page": "http://club.test/a"}, "own", "v", "http://club.test/a"),
    ],
)
def test_what_the_record_does_not_say_stays_the_connectors(
    data: dict[str, Any], id: str, version: str | None, url: str
) -> None:
    spec, _ = load_mapping("mappings/coupon.yaml", COUPON)
    assert spec is not None
    mapping = compile_mapping(spec)
    found = identified(mapping, Record("coupon", "own", data, version="v", url="u"))
    assert (found.id, found.version, found.url) == (id, version, url)
    assert identified(mapping, found) == found
    assert identified(None, found) is found


def test_a_key_is_text() -> None:
    assert text_of(3.5) == "3.5"
