"""What the pages of a plan brought and was undone since, as far as later pages need it: the tasks
that comments hang on, and who is who.

Bounded: of a large pull only names are kept, and a comment then hangs on a bare task.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from connectors.sdk import Record, Source
from hub.flow import sweep
from hub.flow.arrival import Arrival
from hub.flow.identity import OWN_ID
from hub.hub import Hub
from hub.live import Snapshot
from hub.roster import Roster
from hub.store import accounts, cursors, sightings, work
from hub.store.tables import links
from hub.unit import Unit

Row = dict[str, Any]
MOST = 5000
"""Records of tasks, and outsiders, that are kept for what comes later."""
ASKED = 1000
"""Missing records that a tool is asked for; a pull asks for each."""


@dataclass(slots=True)
class Undone:
    """What would be here by now."""

    roster: Roster = field(default_factory=Roster)
    """Who is who, with the users that earlier pages brought."""
    _tasks: dict[tuple[str, str], Record | None] = field(default_factory=dict)
    _kept: int = 0
    _outsiders: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, hub: Hub) -> Undone:
        """As it is before anything came."""
        found = cls()
        with hub.database.read() as tx:
            found.roster.take(accounts.changed_since(tx, None))
        return found

    def keep_task(self, record: Record) -> None:
        """A record that would be a task which is not linked to it yet."""
        key = (record.object, record.id)
        if key not in self._tasks:
            self._tasks[key] = record if self._kept < MOST else None
            self._kept += 1

    def parents(self, arrivals: Sequence[Arrival]) -> tuple[list[Record], list[tuple[str, str]]]:
        """Of the tasks that these hang on, those whose records are kept, and the mere names."""
        hanging = {one.record.parent for one in arrivals if one.record.parent}
        wanted = [key for key in self._tasks if key[1] in hanging] if hanging else []
        whole = [record for key in wanted if (record := self._tasks[key]) is not None]
        return whole, [key for key in wanted if self._tasks[key] is None]

    def keep_people(self, unit: Unit, arrivals: Iterable[Arrival]) -> None:
        """The users among these, once they were recognised, and the outsiders they made known."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for one in arrivals:
            if one.mapping.spec.entity == "party":
                key = (one.row["connection"], one.record.object)
                wanted.setdefault(key, set()).add(one.record.id)
        for (connection, object), ids in wanted.items():
            found = list(accounts.of_records(unit.tx, connection, object, ids).values())
            self.roster.take(found)
            strangers = {
                row["party"] for row in found if row["party"] not in unit.snapshot.people_by_id
            }
            for id, row in work.load(unit.tx, "party", strangers - {None}).items():
                if row["created_at"] == unit.now and len(self._outsiders) < MOST:
                    self._outsiders[id] = row

    def put_people_back(self, unit: Unit) -> None:
        """Have the outsiders here whom earlier pages made known."""
        if self._outsiders:
            there = work.load(unit.tx, "party", list(self._outsiders))
            missing = [row for id, row in self._outsiders.items() if id not in there]
            work.insert(unit.tx, "party", missing)


@dataclass(frozen=True, slots=True)
class Missing:
    """Records that are linked here and that everything there is in a tool did not show.

    `then`: nothing is believed and a person is asked, as there is too much of it (`many`), the
    settings changed (`settings`) or the list leaves some out (`partial`: once it was missed twice);
    or the tool is asked for each (`ask`), they are taken for gone (`gone`), or once they are missed
    once more (`wait`).
    """

    connection: str
    object: str
    seen: int
    missed: int
    then: Literal["many", "settings", "partial", "ask", "gone", "wait"]
    some: tuple[str, ...]
    """The first of them, by external id."""


@dataclass(slots=True)
class Sightings:
    """The ids that a plan has seen of an object, on disk and gone with it."""

    hub: Hub
    snapshot: Snapshot
    connection: str
    object: str
    since: datetime
    _seen: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._seen = sqlite3.connect("")  # a temporary file of its own
        self._seen.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def saw(self, ids: Iterable[str]) -> None:
        self._seen.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((one,) for one in ids))

    def over(self) -> tuple[Missing | None, list[Record]]:
        """What a pull of everything would make of what it missed, and the records that it would
        bring in because of that. Raises ConnectorError.
        """
        with closing(self._seen):
            spec = self.snapshot.offers(self.connection).get(self.object)
            if spec is None or not sweep.tells(spec):
                return None, []
            seen, missed = 0, list[Row]()
            could_see = sweep.covered(self.snapshot, self.connection, self.object)
            for row in self._linked():
                if self._seen.execute("SELECT 1 FROM seen WHERE id = ?", (row["external_id"],)
                                      ).fetchone():  # fmt: skip
                    seen += 1
                elif self._may_be_gone(row) and could_see(row["address"]):
                    missed.append(row)
        if not missed:
            return None, []
        some = tuple(row["external_id"] for row in missed[: sweep.FEW])

        def told(then: sweep.Doubt | Literal["ask", "gone", "wait"], count: int) -> Missing:
            return Missing(self.connection, self.object, seen, count, then, some)

        with self.hub.database.read() as tx:
            known = cursors.scope_of(tx, self.connection, self.object)
        moved = sweep.narrowed(self.snapshot, self.connection, known)
        why = sweep.doubted(spec, seen, len(missed), moved=moved)
        if why is not None:
            return told(why, len(missed)), []
        if spec.fetch:
            return told("ask", len(missed)), self._asked(missed[:ASKED])
        gone = [row for row in missed if row["misses"] >= 1]
        records = [
            Record(self.object, row["external_id"], {}, address=row["address"], deleted=True)
            for row in gone
        ]
        return told("gone" if gone else "wait", len(gone) or len(missed)), records

    def _linked(self) -> Iterator[Row]:
        last, known = "", links.c
        while True:
            statement = (
                sa.select(links)
                .where(
                    known.connection == self.connection,
                    known.object == self.object,
                    known.remote_deleted.is_(sa.false()),
                    known.external_id > last,
                )
                .order_by(known.external_id)
                .limit(1000)
            )
            with self.hub.database.read() as tx:
                some = [dict(row) for row in tx.execute(statement).mappings()]
            yield from some
            if len(some) < 1000:
                return
            last = some[-1]["external_id"]

    def _may_be_gone(self, row: Row) -> bool:
        heard = row["heard_at"]
        return bool(
            row["created_at"] < self.since
            and (heard is None or heard < self.since)
            and row["misses"] != sightings.EXCUSED
        )

    def _asked(self, missed: Sequence[Row]) -> list[Record]:
        connector = self.snapshot.connector(self.connection)
        assert isinstance(connector, Source)  # noqa: S101 - it was pulled
        ids = [str(row["address"].get(OWN_ID, row["external_id"])) for row in missed]
        return list(connector.fetch(self.object, ids))
