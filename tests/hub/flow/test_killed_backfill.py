"""A pull of everything whose process is killed with SIGKILL, again and again, in whatever it does:
every record becomes one task, and the work of a page that was stored is not done twice.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from connectors.rest.sandbox import DesklySandbox
from hub.apply import apply
from hub.hub import Hub, open_hub, system_clock
from hub.settings import Settings
from hub.store import cursors
from hub.store import tables as t
from tests.hub.flow.pull_worker import CLASSES, KEY
from tests.story.test_every_connector import TICKET

TICKETS = 1000
LONGEST = 60.0
"""Seconds that one turn may take."""
pytestmark = pytest.mark.chaos


@pytest.fixture
def tool() -> Iterator[DesklySandbox]:
    with DesklySandbox() as sandbox:
        for number in range(TICKETS):
            sandbox.make_ticket({"subject": f"Ticket {number}"}, by="ann@x.test")
        yield sandbox


def test_a_backfill_that_is_killed_again_and_again_brings_every_record_once(
    tool: DesklySandbox, tmp_path: Path, database_url: str
) -> None:
    env = {**os.environ, **tool.env()}
    files = {
        "hub.yaml": yaml.safe_dump({"name": "killed", "connections": {"tool": tool.connection()}}),
        "mappings/ticket.yaml": TICKET,
    }
    settings = Settings(tmp_path, database_url, None, KEY)
    hub = open_hub(settings, CLASSES, env=env)
    apply(hub.database, files, CLASSES, system_clock(), env=env, force=True)
    chance, kills = random.Random(7), 0
    while True:
        worker = subprocess.Popen(
            [
                sys.executable, "-m", "tests.hub.flow.pull_worker",
                str(tmp_path), database_url, "tool", "ticket",
            ],
            env=env,
        )  # fmt: skip
        try:
            ended = ended_before(hub, worker, tasks(hub) + chance.randrange(50, 500))
        finally:
            worker.kill()
            worker.wait()
        if ended:
            assert worker.returncode == 0
            break
        kills += 1
        # what is stored and how far the pull is are one transaction
        assert far(hub) == tasks(hub)
    assert kills >= 2
    with hub.database.read() as tx:
        titles = sorted(tx.scalars(sa.select(t.tasks.c.title)))
        linked = list(tx.scalars(sa.select(t.links.c.external_id)))
        made = list(
            tx.scalars(sa.select(t.events.c.subject).where(t.events.c.type == "task.created"))
        )
        state = cursors.cursor_state(tx, "tool", "ticket")
    assert titles == sorted(f"Ticket {number}" for number in range(TICKETS))
    assert len(linked) == len(set(linked)) == TICKETS
    assert len(made) == len(set(made)) == TICKETS
    assert state is not None
    assert state["full_cursor"] is None
    hub.database.close()


def ended_before(hub: Hub, worker: subprocess.Popen[bytes], count: int) -> bool:
    """Whether a worker ended by itself before there were so many tasks."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if worker.poll() is not None:
            return True
        if tasks(hub) >= count:
            return False
        time.sleep(0.002)
    raise AssertionError(f"In {LONGEST} s it came no further than {tasks(hub)} tasks.")


def tasks(hub: Hub) -> int:
    with hub.database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(t.tasks)) or 0


def far(hub: Hub) -> int:
    with hub.database.read() as tx:
        state = cursors.cursor_state(tx, "tool", "ticket")
    return state["full_seen"] if state and state["full_cursor"] is not None else 0
