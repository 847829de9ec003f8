"""Entities are locked in the order of their ids, whatever records are about them: two workers that
bring in at once never wait for one another.
"""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from connectors.github.sandbox import GithubSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.order_numbers import FILES
from tests.hub.flow.world import World

WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def somebody_waits(world: World) -> bool:
    """Whether a transaction gets to wait for another one soon."""
    deadline, pause = time.monotonic() + 20, threading.Event()
    while time.monotonic() < deadline:
        with world.hub.database.read() as tx:
            if tx.scalar(WAITING):
                return True
        pause.wait(0.02)
    return False


def test_what_a_record_may_be_is_locked_in_order_with_what_others_are_linked_to(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """A page brings news of a younger task and a record that is an older one, which is held."""
    world = make({"github": github, "tracker": tracker}, FILES)
    if world.hub.database.engine.dialect.name == "sqlite":
        return  # one writer at a time: nothing can be waited for
    github.open_issue("Older", body="Order A-1")
    world.pull("github")
    world.work()
    older = world.task["id"]
    tracker.edit("R1", Title="Younger", Status="Open")
    world.pull("tracker")
    world.work()
    [younger] = [task["id"] for task in world.tasks() if task["id"] != older]
    assert older < younger
    tracker.edit("R1", Title="Younger still")
    tracker.edit("R2", Title="Older", Status="Open", Notes="A-1")
    worker = threading.Thread(target=world.pull, args=("tracker",))
    with world.hub.database.write() as tx:
        work.load(tx, "task", [older], lock=True)
        worker.start()
        assert somebody_waits(world)
        free = sa.select(t.tasks.c.id).where(t.tasks.c.id == younger).with_for_update(nowait=True)
        assert tx.scalar(free) == younger, "nothing is held while the older one is waited for"
    worker.join(30)
    assert not worker.is_alive()
    world.work()
    places = {(link["entity_id"], link["external_id"]) for link in world.links()}
    assert {(older, "R2"), (younger, "R1")} <= places
    assert {task["title"] for task in world.tasks()} >= {"Younger still"}
