"""What histories happen on: hubs over the three tools, one for every way to settle who wins, each
emptied rather than made anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from hub.apply import apply
from hub.hub import Hub, open_hub
from hub.settings import Settings
from hub.store import tables as t
from hub.store.append_only import unguarded
from hub.store.database import Database
from tests.hub.sync.tools import CLASSES, TOOLS

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UNIQUE = ("title", "due", "labels", "points")
"""Fields whose every value is written once, so that a value tells who wrote it."""
FIELDS = (*UNIQUE, "status", "assignee")
CANONICAL = {name: "custom.points" if name == "points" else name for name in FIELDS}

Policy = str
"""`review`, `newest`, `ours`, `theirs`, or `record:` and whose record it is."""


def _everywhere(policy: Policy) -> dict[str, dict[str, Policy]]:
    return {tool: dict.fromkeys(FIELDS, policy) for tool in TOOLS}


def _mixed(*by_field: Policy) -> dict[str, dict[str, Policy]]:
    return {tool: dict(zip(FIELDS, by_field, strict=True)) for tool in TOOLS}


POLICIES: Mapping[str, Mapping[str, Mapping[str, Policy]]] = {
    "review": _everywhere("review"),
    "newest": _everywhere("newest"),
    "ours": _everywhere("ours"),
    "theirs": _everywhere("theirs"),
    "hub": _everywhere("record:hub"),
    "desk": _everywhere("record:desk"),
    "fields": _mixed("review", "newest", "theirs", "record:sheet", "ours", "theirs"),
    "tools": {
        "tracker": dict.fromkeys(FIELDS, "ours"),
        "desk": dict.fromkeys(FIELDS, "newest"),
        "sheet": dict.fromkeys(FIELDS, "theirs"),
    },
}
"""Who wins, by tool and field; histories choose among these."""

WORDS = {
    "tracker": {"todo": "open", "doing": "in_progress", "parked": "on_hold", "done": "done",
                "dropped": "cancelled"},
    "desk": {"open": "open", "busy": "in_progress", "closed": "done"},
    "sheet": {"Open": "open", "Doing": "in_progress", "On hold": "on_hold", "Done": "done",
              "Cancelled": "cancelled"},
}  # fmt: skip
"""The words for a status; desk has fewer than there are."""
BACK = {"desk": {"on_hold": "open", "cancelled": "closed"}}
HANDLES = {
    "tracker": {"dana": "dmeier", "lee": "lkim"},
    "desk": {"dana": "U-1", "lee": "U-2"},
    "sheet": {"dana": "Dana Meier", "lee": "Lee Kim"},
}
NAMES = {
    "tracker": {"title": "title", "due": "due", "labels": "tags", "points": "points",
                "status": "state", "assignee": "who"},
    "desk": {"title": "subject", "due": "due_on", "labels": "labels", "points": "estimate",
             "status": "status", "assignee": "agent"},
    "sheet": {"title": "Title", "due": "Due", "labels": "Labels", "points": "Points",
              "status": "Status", "assignee": "Owner"},
}  # fmt: skip
"""What each tool calls the fields."""


def mapping(tool: str, policies: Mapping[str, Policy], deletes: str) -> str:
    """A tool's things as tasks."""
    names = NAMES[tool]
    of = {name: {"from": f"$.{names[name]}"} for name in FIELDS}
    of["labels"] = {"from": f"$.{names['labels']}[*]", "to": f"$.{names['labels']}"}
    of["due"]["as"] = {"date": "%d.%m.%Y"} if tool == "sheet" else "date"  # type: ignore[assignment]
    of["status"] |= {"values": WORDS[tool], "back": BACK.get(tool, {})}  # type: ignore[dict-item]
    of["assignee"]["as"] = "party"
    for name, policy in policies.items():
        whose = policy.removeprefix("record:")
        of[name] |= {"conflict": policy} if whose == policy else {"system_of_record": whose}
    said = {
        "mapping": f"{tool}-thing",
        "connector": tool,
        "object": "thing",
        "entity": "task",
        "direction": "both",
        "fields": {CANONICAL[name]: one for name, one in of.items()},
        "deletes": {"in": deletes, "out": "never"},
    }
    return yaml.safe_dump(said, sort_keys=False)


def notes(tool: str) -> str:
    said = {
        "mapping": f"{tool}-note", "connector": tool, "object": "note", "entity": "comment",
        "direction": "both",
        "fields": {"body": "$.text", "visibility": {"value": "public", "direction": "in"}},
    }  # fmt: skip
    return yaml.safe_dump(said, sort_keys=False)


CANCELS = ("theirs", "hub", "fields")
"""The policies under which what was deleted in a tool is cancelled in the hub."""


def files(policies: str) -> dict[str, str]:
    """A workspace in which these policies hold."""
    deletes = "cancel" if policies in CANCELS else "tombstone"
    connections = {tool: {"connector": tool, "webhook": {"unsigned": True}} for tool in TOOLS}
    connections["sheet"]["webhook"] = {"receive": False}
    people = {
        "people": {
            "dana": {"name": "Dana Meier", "email": "dana@acme.test"},
            "lee": {"name": "Lee Kim", "email": "lee@acme.test"},
        },
        "roles": {},
        "identities": HANDLES,
    }
    return {
        "hub.yaml": yaml.safe_dump({"name": "acme-ops", "connections": connections}),
        "people.yaml": yaml.safe_dump(people),
        **{
            f"mappings/{tool}.yaml": mapping(tool, POLICIES[policies][tool], deletes)
            for tool in TOOLS
        },
        **{f"mappings/{tool}-notes.yaml": notes(tool) for tool in ("tracker", "desk")},
    }


@dataclass(slots=True)
class Clock:
    """The time everywhere but in the queues, which go by the database's. It goes on a little
    whenever somebody looks.
    """

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass(slots=True)
class Ground:
    """A hub in which nothing has happened yet."""

    hub: Hub
    clock: Clock
    policies: Mapping[str, Mapping[str, Policy]]
    parties: Mapping[str, str]
    """The ids of our people, by key."""

    def clear(self) -> None:
        """Forget all but the workspace."""
        kept = {"alembic_version", "revisions", "parties", "connections", "secrets", "tokens"}
        with self.hub.database.write() as tx:
            for table in reversed(t.metadata.sorted_tables):
                if table.name == "events":
                    with unguarded(tx):
                        tx.execute(sa.delete(table))
                elif table.name not in kept:
                    tx.execute(sa.delete(table))
            tx.execute(
                sa.text(
                    "UPDATE connections SET status = 'active', failures = 0, reason = NULL,"
                    " limited_until = NULL, open_until = NULL, trips = 0"
                )
            )
        self.clock.now = START


class Grounds:
    """The hubs there are so far, by their policies; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[str, Ground] = {}
        self._stack = ExitStack()
        self._empty = folder / "empty.db"
        database = Database(f"sqlite:///{self._empty}")
        database.migrate()
        database.close()

    def of(self, policies: str) -> Ground:
        found = self._there.get(policies)
        if found is None:
            found = self._there[policies] = self._made(policies)
        found.clear()
        return found

    def _made(self, policies: str) -> Ground:
        clock = Clock()
        path = self._folder / f"{policies}.db"
        shutil.copy(self._empty, path)
        settings = Settings(
            self._folder,
            f"sqlite:///{path}",
            None,
            b"a-key-of-tests-that-is-long-enough",
            public_url="https://hub.acme.test",
        )
        hub = open_hub(settings, CLASSES, env={}, clock=clock)
        self._stack.callback(hub.database.close)
        self._stack.callback(hub.live.close)
        # no power is cut here: a process that dies leaves what it wrote to the system
        sa.event.listen(hub.database.engine, "connect", _without_waiting_for_the_disk)
        hub.database.engine.dispose()
        apply(hub.database, files(policies), CLASSES, clock(), env={}, force=True)
        parties = {
            key: str(row["id"]) for key, row in hub.live.current().parties.items()
        }  # fmt: skip
        return Ground(hub, clock, POLICIES[policies], parties)

    def close(self) -> None:
        self._stack.close()


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@contextmanager
def grounds() -> Iterator[Grounds]:
    """Hubs for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        made = Grounds(Path(folder))
        try:
            yield made
        finally:
            made.close()
