"""Three tools in this process's memory that differ as real ones do, for histories by the thousand.

`tracker` counts its versions, sends webhooks, takes batches and writes only over the version that
was seen. `desk` knows whole seconds, days and three words for a status, and is read where its
webhooks cannot tell. `sheet` has rows without versions, ids that somebody must give them, and only
a list of all of it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from connectors.sdk import (
    Change,
    Connector,
    Delivery,
    Fetch,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    RateLimitError,
    Receiver,
    Record,
    Result,
    Sink,
    Source,
)
from connectors.sdk import Field as VendorField
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.records import Cursor

BOT = "hub-bot"
"""Who writes in the tools for the hub; people may be signed in as it too."""
Fault = Literal["before", "after", "limit"]
"""What the next write meets: an error before its effect, one after it (an answer that was lost), or
a limit of rate.
"""
ALL: frozenset[Literal["create", "update", "delete"]] = frozenset({"create", "update"})


@dataclass(slots=True)
class Row:
    """A thing in a tool; `at` by its own clock, `change` counts the changes of the whole tool."""

    object: str
    id: str
    values: dict[str, Any]
    change: int
    at: datetime
    actor: str
    parent: str | None = None
    key: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A write of the hub that took effect: what differs since, by field."""

    object: str
    id: str
    op: str
    fields: Mapping[str, Any]


@dataclass(slots=True)
class Tool:
    """What a tool holds, and what it sent. `clock` is its own. Nothing goes out by itself: `post`
    holds the bodies of webhooks that are on their way. `tick` is called where a process that talks
    to it may die.
    """

    name: str
    clock: Callable[[], datetime]
    tick: Callable[[str], None] = lambda place: None
    thin: bool = False
    """Whether its webhooks only name what changed."""
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    post: list[bytes] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    twin: Callable[[Row], None] | None = None
    """What a person does in the very second of the next write, before it is answered or after."""
    twin_is_seen: bool = False
    change: int = 0

    def put(
        self,
        object: str,
        id: str,
        values: Mapping[str, Any],
        *,
        actor: str,
        parent: str | None = None,
        key: str | None = None,
        deleted: bool = False,
    ) -> Row:
        """Make a thing or change it; a webhook tells of it."""
        old = self.rows.get((object, id))
        self.change += 1
        row = Row(
            object,
            id,
            {**(old.values if old else {}), **values},
            self.change,
            self.clock(),
            actor,
            old.parent if old else parent,
            old.key if old else key,
            deleted,
        )
        self.rows[object, id] = row
        above = self.rows.get(("thing", row.parent)) if row.parent else None
        told = [one for one in (above, row) if one is not None]
        body: Any = [_plain(one) for one in told]
        if self.thin:
            body = [{"object": one.object, "id": one.id} for one in told]
        self.post.append(json.dumps(body).encode())
        return row

    def things(self, object: str = "thing") -> list[Row]:
        """What is there of an object, in the order in which it changed."""
        found = [one for one in self.rows.values() if one.object == object and not one.deleted]
        return sorted(found, key=lambda one: one.change)

    def fail(self) -> Fault | None:
        return self.faults.popleft() if self.faults else None


def _plain(row: Row) -> dict[str, Any]:
    return {
        "object": row.object, "id": row.id, "values": row.values, "change": row.change,
        "at": row.at.isoformat(), "actor": row.actor, "parent": row.parent, "key": row.key,
        "deleted": row.deleted,
    }  # fmt: skip


def _row(plain: Mapping[str, Any]) -> Row:
    return Row(**{**plain, "at": datetime.fromisoformat(plain["at"])})


class _Told(Connector, Source, Sink, Receiver):
    """What the three have in common. `tools` are the tools, by the name of the connection."""

    config: ClassVar[type[ConnectionConfig]] = ConnectionConfig
    sandbox: ClassVar[str] = "tests.hub.sync.tools:Tool"
    tools: ClassVar[dict[str, Tool]] = {}

    @property
    def tool(self) -> Tool:
        return self.tools[self.connection]

    def check(self) -> None:
        return None

    def discover(self, object: str) -> Sequence[VendorField]:
        return []

    @abstractmethod
    def record(self, row: Row) -> Record:
        """A row as this tool tells of it."""

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        self.tool.tick(f"{self.connection}.find")
        there = {row.key: row for row in self.tool.rows.values() if row.object == object}
        found = [there.get(one.key) for one in changes]
        return [self.record(row) if row else None for row in found]

    # ---------------------------------------------------------------------------------- writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        tool = self.tool
        tool.tick(f"{self.connection}.push")
        fault = tool.fail()
        if fault == "limit":
            raise RateLimitError("Too many requests.", 30.0)
        if fault == "before":
            return [Result(Outcome.UNKNOWN, message="502, and nothing happened") for _ in changes]
        results = [self._write(one) for one in changes]
        tool.tick(f"{self.connection}.pushed")
        if fault == "after":
            return [Result(Outcome.UNKNOWN, message="no answer came") for _ in changes]
        return results

    def _write(self, change: Change) -> Result:
        tool = self.tool
        if change.op == "create":
            id = self.new_id(change)
            row = tool.put(
                change.object, id, change.fields, actor=BOT, parent=change.parent, key=change.key
            )
            tool.writes.append(Write(change.object, id, "create", dict(change.fields)))
            return self._answer(row)
        old = tool.rows.get((change.object, str(change.id)))
        if old is None or old.deleted:
            return Result(Outcome.MISSING, message="It is not there.")
        differs = {
            name: value for name, value in change.fields.items() if old.values.get(name) != value
        }
        if not differs:
            return Result(Outcome.OK, self.record(old))
        if (moved := self.moved(old, change, differs)) is not None:
            return Result(Outcome.CONFLICT, self.record(old), moved)
        row = tool.put(change.object, old.id, differs, actor=BOT)
        tool.writes.append(Write(change.object, old.id, "update", differs))
        return self._answer(row)

    def _answer(self, row: Row) -> Result:
        """What the tool holds now; a person may be as quick as we are."""
        tool, told = self.tool, self.record(row)
        if tool.twin is not None and row.object == "thing":
            twin, tool.twin = tool.twin, None
            twin(row)
            if tool.twin_is_seen:
                told = self.record(tool.rows[row.object, row.id])
        return Result(Outcome.OK, told)

    def moved(self, old: Row, change: Change, differs: Mapping[str, Any]) -> str | None:
        """Why nothing is written: somebody was there since we looked. The tool cannot tell, so its
        connector looks just before it writes.
        """
        base = change.base or {}  # what it did not show was empty
        for name in differs:
            if old.values.get(name) != base.get(name):
                return f"{name} was changed meanwhile."
        return None

    def new_id(self, change: Change) -> str:
        return f"{self.connection[0].upper()}{self.tool.change + 1}"

    # ---------------------------------------------------------------------------------- hearing

    def verify(self, delivery: Delivery) -> str | None:
        return None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        told = json.loads(delivery.body)
        if told and "values" not in told[0]:
            return [Fetch(one["object"], [one["id"]]) for one in told]
        return [self.record(_row(one)) for one in told]


class TrackerConnector(_Told):
    """Counts its versions: what is newer needs no reading."""

    name: ClassVar[str] = "tracker"
    title: ClassVar[str] = "Tracker"
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "thing": ObjectSpec(
            "Thing", pull=True, push=ALL, webhook=True, find=True, conclusive=True,
            deletes="reported", batch=5,
        ),
        "note": ObjectSpec(
            "Note", push=ALL, webhook=True, find=True, conclusive=True,
            deletes="reported", batch=5, parent="thing",
        ),
    }  # fmt: skip
    page: ClassVar[int] = 3

    def record(self, row: Row) -> Record:
        return Record(
            row.object, row.id, {} if row.deleted else dict(row.values),
            version=f"{row.change:09d}", updated_at=row.at, deleted=row.deleted,
            parent=row.parent, actor=row.actor, key=row.key,
        )  # fmt: skip

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        since = int(cursor.get("change", 0))
        found = sorted(
            (one for one in self.tool.rows.values() if one.change > since),
            key=lambda one: (one.object == "note", one.change),
        )
        for at in range(0, len(found), self.page):
            some = found[at : at + self.page]
            done = found[-1].change if at + self.page >= len(found) else since
            yield Page([self.record(row) for row in some], {"change": done})

    def moved(self, old: Row, change: Change, differs: Mapping[str, Any]) -> str | None:
        """It takes a write only over the version that was seen (If-Match)."""
        same = change.version in (None, f"{old.change:09d}")
        return None if same else "It was changed meanwhile."


class DeskConnector(_Told):
    """Whole seconds for versions: what one second holds must be read."""

    name: ClassVar[str] = "desk"
    title: ClassVar[str] = "Desk"
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "thing": ObjectSpec(
            "Thing", pull=True, fetch=True, push=ALL, webhook=True, find=True, conclusive=True,
            deletes="swept",
        ),
        "note": ObjectSpec(
            "Note", fetch=True, push=ALL, webhook=True, find=True, conclusive=True,
            deletes="swept", parent="thing",
        ),
    }  # fmt: skip

    def record(self, row: Row) -> Record:
        at = row.at.replace(microsecond=0)
        return Record(
            row.object, row.id, {} if row.deleted else dict(row.values), version=at.isoformat(),
            updated_at=at, deleted=row.deleted, parent=row.parent, actor=row.actor, key=row.key,
        )  # fmt: skip

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        self.tool.tick(f"{self.connection}.fetch")
        found = [self.tool.rows.get((object, id)) for id in ids]
        return [self.record(row) for row in found if row is not None and not row.deleted]

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """What changed since, the states of the cursor's own second included; what is gone is
        gone.
        """
        since = datetime.fromisoformat(cursor.get("at", "2000-01-01T00:00:00+00:00"))
        there = [*self.tool.things(object), *self.tool.things("note")]
        there = [row for row in there if row.at.replace(microsecond=0) >= since]
        if there:
            last = max(row.at for row in there).replace(microsecond=0)
            yield Page([self.record(row) for row in there], {"at": last.isoformat()})


class SheetConnector(_Told):
    """Rows that are known by the cell `ID`, which nobody fills in but we; nothing tells what
    changed, or when.
    """

    name: ClassVar[str] = "sheet"
    title: ClassVar[str] = "Sheet"
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "thing": ObjectSpec(
            "Row", pull=True, push=ALL, find=True, conclusive=True, keyed=True, deletes="swept"
        )
    }

    def record(self, row: Row) -> Record:
        id = str(row.values["ID"])
        key = id if id.startswith("hub-") else None
        return Record(row.object, id, dict(row.values), key=key)

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        there = [row for row in self.tool.things(object) if row.values.get("ID")]
        yield Page([self.record(row) for row in there], {"rows": len(there)})

    def adopt(self, object: str, cursor: Cursor) -> int:
        """Give rows that people made an id."""
        without = [row for row in self.tool.things(object) if not row.values.get("ID")]
        for row in without:
            row.values["ID"] = row.id
        return len(without)

    def new_id(self, change: Change) -> str:
        return change.key

    def _write(self, change: Change) -> Result:
        if change.op == "create":
            there = self.tool.rows.get((change.object, change.key))
            if there is not None and not there.deleted:
                return Result(Outcome.OK, self.record(there))
            fields = {**change.fields, "ID": change.key}
            row = self.tool.put(change.object, change.key, fields, actor=BOT, key=change.key)
            self.tool.writes.append(Write(change.object, row.id, "create", fields))
            return self._answer(row)
        return super()._write(change)


CLASSES: Mapping[str, type[Connector]] = {
    one.name: one for one in (TrackerConnector, DeskConnector, SheetConnector)
}
TOOLS = ("tracker", "desk", "sheet")
