"""A pull of everything: how far it is, when it will be over, that it goes on where it stopped, and
that it writes nothing where nothing differs.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.github.connector import GithubConnector
from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Page
from connectors.sdk.quota import DAY, Quota, Usage
from connectors.sdk.sandbox import Sandbox
from hub.flow.progress import Meter, backfill, by_limits, in_words, span
from hub.flow.pull import Pulled, pull, pullable
from hub.registry import connector_classes
from hub.store import cursors
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World
from tests.story.test_every_connector import TOOLS

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at_second(number: int) -> datetime:
    return NOW + timedelta(seconds=number)


# ----------------------------------------------------------------------------------- the estimate


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"), (89, "89 s"), (120, "2 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h"),
    ],
    ids=["least", "seconds", "minutes", "hours", "days"],
)  # fmt: skip
def test_a_span_is_as_coarse_as_an_estimate(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_a_rate_that_is_kept_bounds_the_speed() -> None:
    found = by_limits(7200, Usage(), {"read": "500/minute", "all": "3600/hour"}, "GitHub")
    assert found.seconds == 7200
    assert found.because == "at GitHub's 3,600 requests an hour"


def test_what_is_left_of_a_day_that_rolls_on_costs_nothing_and_the_rest_comes_back_slowly() -> None:
    quota = Quota(100_000, 20_000, 0.0, None, DAY)
    assert by_limits(20_000, Usage(1, quota), {}, "Salesforce").seconds == 0
    found = by_limits(33_889, Usage(1, quota), {}, "Salesforce")
    assert span(found.seconds) == "3 h 20 min"
    assert found.because == "at Salesforce's 100,000 requests a day"


def test_a_window_that_resets_is_waited_for_as_often_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.flow.progress.time.time", lambda: 1000.0)
    usage = Usage(1, Quota(5000, 100, 1000.0, 1600.0))
    assert by_limits(100, usage, {}, "GitHub").seconds == 0
    assert by_limits(101, usage, {}, "GitHub").seconds == 600
    assert by_limits(5101, usage, {}, "GitHub").seconds == 600 + 3600


@dataclass(slots=True)
class Metered:
    """A connector that says so much of itself."""

    requests: int = 0
    quota: Quota | None = None
    title: str = "Salesforce"
    rates: Mapping[str, str] = field(default_factory=dict)

    def usage(self) -> Usage:
        return Usage(self.requests, self.quota)


def test_the_estimate_goes_by_the_speed_or_by_the_limit_whichever_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr("hub.flow.progress.time.monotonic", lambda: next(moments))
    tool: Any = Metered()
    meter = Meter(tool)
    so_far = Pulled("pul_1", "crm", "task", everything=True, total=1_000_000)
    for number in (1, 2, 3):
        so_far.seen = so_far.through = number * 2000
        tool.requests += 1
        meter.tell(so_far, 2000)
    found = meter.estimate()
    assert meter.speed == 2000
    assert found is not None
    assert (found.seconds, found.because) == (497, "")
    tool.quota = Quota(1000, 100, 0.0, None, DAY)  # 497 requests more, and 100 are left
    found = meter.estimate()
    assert found is not None
    assert (round(found.seconds), found.because[:13]) == (34_301, "at Salesforce")


def test_the_store_tells_how_far_a_pull_is_to_whoever_asks() -> None:
    row: dict[str, Any] = {
        "object": "issue", "full_cursor": {"at": 1}, "full_since": NOW - timedelta(minutes=10),
        "full_seen": 2500, "total": 10_000,
    }  # fmt: skip
    found = backfill(row, NOW)
    assert found is not None
    assert (found.part, found.ends_at) == (0.25, NOW + timedelta(minutes=30))
    assert in_words(found, NOW) == (
        "2,500 of 10,000 records since 2026-03-01 09:50 UTC, about 30 min left"
    )
    later = backfill(row, NOW, NOW + timedelta(minutes=5))
    assert later is not None
    assert later.ends_at == NOW + timedelta(minutes=35)
    more = backfill({**row, "total": 2000}, NOW)
    assert more is not None
    assert (more.total, more.part, more.ends_at) == (None, None, None)
    assert backfill({**row, "full_cursor": None}, NOW) is None


# -------------------------------------------------------------------------------------- going on


class Died(BaseException):
    """What a `kill -9` is to a process: nothing of it catches this."""


def everything(world: World, *, restart: bool = False) -> Pulled:
    return pull(world.hub, "github", "issue", full=True, restart=restart, force=True)


def dead(world: World) -> None:
    """The leases of a process that is no more."""
    world.die()
    with world.hub.database.write() as tx:
        cursors.recover_pulls(tx)


@pytest.fixture
def again(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records that were read though they had been stored before the turn began."""
    found: list[str] = []
    read = GithubConnector.pull

    def noted(self: Any, object: str, cursor: Any, fields: Any) -> Iterator[Page]:
        known = {link["external_id"] for link in world.links()}
        for page in read(self, object, cursor, fields):
            found.extend(one.id for one in page.records if one.id in known)
            yield page

    monkeypatch.setattr(GithubConnector, "pull", noted)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_backfill_that_dies_again_and_again_brings_every_record_once_and_reads_no_page_twice(
    seed: int,
    world: World,
    github: GithubSandbox,
    again: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.github.changes.PAGE", 4)
    chance = random.Random(seed)
    for number in range(120):
        github.state.clock = partial(at_second, number)
        github.open_issue(f"Issue {number}")
    github.state.clock = lambda: NOW + timedelta(hours=1)
    deaths = 0

    def perhaps(place: str) -> None:
        nonlocal deaths
        # once at least, however many pages were read ahead and stored together
        if place == "pull.stored" and (not deaths or chance.random() < 0.4):
            deaths += 1
            raise Died

    monkeypatch.setattr("hub.flow.page.reach", perhaps)
    for _ in range(200):
        try:
            result = everything(world)
        except Died:
            dead(world)
            with world.hub.database.read() as tx:
                state = cursors.cursor_state(tx, "github", "issue")
            assert state is not None
            assert state["full_seen"] == len(world.tasks())
        else:
            break
    assert result.error is None
    assert deaths
    assert again == []
    assert sorted(task["title"] for task in world.tasks()) == sorted(
        f"Issue {number}" for number in range(120)
    )
    assert len(world.events("task.created")) == 120
    with world.hub.database.read() as tx:
        state = cursors.cursor_state(tx, "github", "issue")
    assert state is not None
    assert (state["full_cursor"], state["total"]) == (None, 120)


def test_who_stops_a_pull_gives_its_turn_back(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.github.changes.PAGE", 2)
    for number in range(9):
        github.state.clock = partial(at_second, number)
        github.open_issue(f"Issue {number}")

    came = []  # with the first page come those that were read meanwhile

    def stop(so_far: Pulled) -> None:
        came.append(so_far.seen)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(world.hub, "github", "issue", full=True, force=True, progress=stop)
    went_on = everything(world)
    assert not went_on.busy
    assert (sum(came) + went_on.seen, went_on.through) == (9, 9)
    again = everything(world, restart=True)
    assert (again.seen, again.through) == (9, 9)


# --------------------------------------------------------------------------------- writing nothing

QUIET = ("github", "google_sheets", "jira", "redmine", "salesforce", "spreadsheet")
MOVES = ("connections", "cursors", "leases", "sightings", "vault")
"""Tables of what the hub keeps about its own doing."""


@pytest.fixture(params=QUIET)
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Sandbox]]:
    module, _, kind = connector_classes()[request.param].sandbox.partition(":")
    cls = getattr(import_module(module), kind)
    sandbox = cls(tmp_path / "share") if request.param == "spreadsheet" else cls()
    with sandbox:
        sandbox.populate()
        yield request.param, sandbox


@dataclass(slots=True)
class Writes:
    """Rows written, by table, as SQLite counts them in triggers."""

    world: World

    def watch(self) -> None:
        with self.world.hub.database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE written (place TEXT)")
            for name in t.metadata.tables:
                if name not in MOVES:
                    for what in ("INSERT", "UPDATE", "DELETE"):
                        noted = f"INSERT INTO written VALUES ('{what} {name}')"  # noqa: S608 - ours
                        tx.exec_driver_sql(
                            f"CREATE TRIGGER watch_{name}_{what} AFTER {what} ON {name}"
                            f" BEGIN {noted}; END"
                        )

    def counted(self) -> Counter[str]:
        with self.world.hub.database.read() as tx:
            return Counter(tx.scalars(sa.text("SELECT place FROM written")))


def test_everything_once_more_writes_nothing_where_nothing_differs(
    tool: tuple[str, Sandbox], make: MakeWorld
) -> None:
    """Neither an entity, link, event or push here, nor anything in the tool."""
    name, box = tool
    told = TOOLS.get(name)
    world = make({"tool": box}, dict(told.files) if told else {})
    if world.hub.database.engine.dialect.name != "sqlite":
        pytest.skip("SQLite counts the rows; the tables are the same")
    world.settle()
    before = world.tasks() + world.links() + world.comments() + world.all(t.items)
    assert before
    writes = Writes(world)
    writes.watch()
    ledger = len(box.ledger)
    box.faults.read_only = True
    seen = 0
    for connection, object in pullable(world.hub.live.current()):
        result = pull(world.hub, connection, object, full=True, force=True)
        assert result.error is None
        assert result.everything
        assert (result.queued, result.created, result.updated, result.deleted) == (0, 0, 0, 0)
        seen += result.seen
    world.work()
    box.faults.read_only = False
    assert seen >= len(world.tasks()) > 0
    assert writes.counted() == {}
    assert box.faults.forbidden == []
    assert len(box.ledger) == ledger
    after = world.tasks() + world.links() + world.comments() + world.all(t.items)
    assert after == before
