"""Order: whatever happens to deliveries on their way, what they end in is the in-order state.

Histories of some records are told in any order, doubled, late, in batches of any size, while the
hub works and pulls in between. HUB_HISTORIES asks for more of them.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.store import inbox
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.world import World
from webhooks.inbox import Incoming

HISTORIES = int(os.environ.get("HUB_HISTORIES", "240"))
TOGETHER = 20
"""Histories of one example, which share batches."""
KINDS = {
    "fine": {"versions": "fine", "readable": False},
    "seconds": {"versions": "seconds", "readable": True},
    "none": {"versions": "none", "readable": True},
}
"""Tools whose order can be told from versions, or from reading a record where it cannot."""
STATES = {"open": "open", "closed": "done"}
numbers = count(1)


class Tools:
    """What `make_world` needs of a sandbox, for a connection of the ledger."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def connection(self) -> dict[str, Any]:
        return {"connector": "ledger", "webhook": {"unsigned": True}, **self.settings}

    def env(self) -> dict[str, str]:
        return {}


@pytest.fixture
def book(
    make: MakeWorld, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, Book]]:
    """A hub over a ledger of some kind."""
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", LedgerConnector)
    settings = KINDS[request.param]
    tool: Any = Tools(**settings)
    made = Book(versions=settings["versions"])
    LedgerConnector.books["ledger"] = made
    yield make({"ledger": tool}, MAPPINGS), made
    del LedgerConnector.books["ledger"]


def receive(world: World, *bodies: bytes, id: str | None = None) -> None:
    """Take deliveries in, as the intake would."""
    batch = [
        Incoming(
            connection="ledger",
            delivery_id=id,
            received_at=world.clock(),
            method="POST",
            url="http://hub/webhooks/ledger",
            headers={"content-type": "application/json"},
            body=body,
            body_hash=hashlib.sha256(body).hexdigest(),
            verdict="genuine",
            capture=False,
        )
        for body in bodies
    ]
    with world.hub.database.write() as tx:
        inbox.store(tx, batch)


# --------------------------------------------------------------------------------------- histories


@dataclass(slots=True)
class Step:
    """What happens next: `what` to the record `which`, so many seconds after the last; when it is
    told of, in steps from now, once for each number.
    """

    what: str
    which: int
    seconds: int
    told: list[int]


steps = st.builds(
    Step,
    what=st.sampled_from(["edit", "edit", "close", "open", "delete", "note", "rewrite", "forget"]),
    which=st.integers(0, 2),
    seconds=st.sampled_from([0, 0, 1, 2]),
    told=st.lists(st.integers(0, 6), min_size=1, max_size=3),
)
histories = st.lists(steps, min_size=1, max_size=8)
turns = st.lists(st.sampled_from(["work", "work", "pull", "rest", "month"]), max_size=15)


class History:
    """One history over three things of its own."""

    def __init__(self, book: Book, plan: list[Step]) -> None:
        self.book = book
        self.plan = plan
        self.number = next(numbers)

    def happen(self, step: Step) -> bytes:
        """Do it, and give the delivery that tells of it."""
        book, id = self.book, f"t{self.number}-{step.which}"
        book.second += step.seconds
        row = book.rows.get(("thing", id))
        if row is None or row["deleted"]:
            return book.put("thing", id, title=f"Made in {book.change}", state="open")
        note = f"n{self.number}-{step.which}"
        said = book.rows.get(("note", note))
        match step.what:
            case "close" | "open":
                return book.put("thing", id, state={"close": "closed", "open": "open"}[step.what])
            case "delete":
                return book.delete("thing", id)
            case "note" | "rewrite":
                return book.put("note", note, id, text=f"Said in {book.change}")
            case "forget" if said is not None and not said["deleted"]:
                return book.delete("note", note)
            case _:
                return book.put("thing", id, title=f"Edited in {book.change}")


def tell(world: World, book: Book, plans: list[list[Step]], turns: list[str], seed: int) -> None:
    """Let histories happen step by step; deliveries come when they are due, the hub works and pulls
    in between.
    """
    chance = random.Random(seed)
    lives = [History(book, plan) for plan in plans]
    due: dict[int, list[bytes]] = {}
    for turn in range(max(len(plan) for plan in plans) + 7):
        for life in lives:
            if turn < len(life.plan):
                body = life.happen(life.plan[turn])
                for later in life.plan[turn].told:
                    due.setdefault(turn + later, []).append(body)
        come = due.pop(turn, [])
        chance.shuffle(come)
        receive(world, *come)
        match turns[turn % len(turns)] if turns else "rest":
            case "work":
                world.work()
            case "pull":
                world.pull()
            case "month":
                world.clock.ahead += timedelta(days=30)
    settle(world)


def settle(world: World) -> None:
    world.work()
    world.hurry()
    world.work()


def faults(world: World, book: Book, *, readable: bool) -> list[str]:
    """Where the hub and the tool differ."""
    links = {(row["object"], row["external_id"]): row for row in world.links()}
    tasks = {row["id"]: row for row in world.tasks()}
    bodies = {row["id"]: row["body"] for row in world.comments()}
    found = []
    for key, row in book.rows.items():
        link = links.get(key)
        if link is None:
            if not (row["deleted"] and readable):  # the tool was asked, and it was gone
                found.append(f"{key}: is not here")
            continue
        if link["remote_deleted"] != row["deleted"]:
            found.append(f"{key}: deleted {link['remote_deleted']}, not {row['deleted']}")
        if row["deleted"]:
            continue
        if key[0] == "thing":
            task = tasks[link["entity_id"]]
            is_ = (task["title"], task["status"])
            should = (
                row["data"]["title"],
                {"open": "open", "closed": "done"}[row["data"]["state"]],
            )
        else:
            is_, should = bodies[link["entity_id"]], row["data"]["text"]
        if is_ != should:
            found.append(f"{key}: {is_}, not {should}")
    return found


@pytest.mark.parametrize("book", KINDS, indirect=True)
def test_any_order_ends_in_the_in_order_state(book: tuple[World, Book]) -> None:
    """Every record as at the end of its history, what is deleted stays so, nothing waits, and
    nothing was set aside.
    """
    world, ledger = book
    readable = ledger.versions != "fine"

    @settings(
        max_examples=max(1, HISTORIES // TOGETHER // len(KINDS)),
        deadline=None,
        phases=[Phase.generate],  # an example costs too much for hundreds of smaller ones
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(histories, min_size=TOGETHER, max_size=TOGETHER),
        turns,
        st.integers(0, 2**32),
    )
    def check(plans: list[list[Step]], turns: list[str], seed: int) -> None:
        ledger.rows.clear()
        tell(world, ledger, plans, turns, seed)
        assert faults(world, ledger, readable=readable) == []
        # each example empties the tool, so what the one before it brought is missing
        expected = ("unrouted", "mass_deletion")
        assert [row for row in world.exceptions() if row["type"] not in expected] == []

    check()
    assert world.chain() is None
