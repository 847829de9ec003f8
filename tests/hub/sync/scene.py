"""One history as it happens: people edit on every side, webhooks go astray, stages take their turns
and processes die. Keeps the book of what people wrote, and what each had before their eyes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hub import failpoints
from hub.flow import change
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.flow.pull import pull, pullable
from hub.hub import Hub
from hub.process import exceptions as settling
from hub.store import inbox, outbox, queue, records, work
from hub.store import tables as t
from hub.unit import person_actor
from mappings.canonical import TaskStatus
from mappings.states import TRANSITIONS
from tests.hub.sync.ground import (
    BACK,
    CANONICAL,
    HANDLES,
    NAMES,
    UNIQUE,
    WORDS,
    Ground,
)
from tests.hub.sync.tools import BOT, TOOLS, Fault, Row, Tool, _Told
from webhooks.inbox import Incoming

HUB = "hub"
SIDES = (HUB, *TOOLS)
STAGES: Mapping[str, Callable[[Hub], int]] = {
    "parse": parse_deliveries,
    "bring_in": bring_in,
    "deliver": deliver,
}
DAY_NONE = date(2026, 1, 1)


class Died(BaseException):
    """The process is killed here: nothing that would tidy up catches this."""


@dataclass(slots=True)
class Fuse:
    """Has the process die at one of the next steps: where a transaction begins or has ended, where
    a tool is called or has answered, and at every failpoint of the hub.
    """

    left: int | None = None
    thread: int = field(default_factory=threading.get_ident)

    def tick(self, place: str) -> None:
        if self.left is None or threading.get_ident() != self.thread:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Died(place)


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person wrote: value number `n` into a field of a task, on a side, over number `over`
    (0: nothing) that stood there. `told` is when, by the clock of that side.
    """

    n: int
    task: int
    field: str
    side: str
    over: int
    told: datetime


@dataclass(slots=True)
class Choice:
    """Small fields, whose values come again and again: what was chosen for a task since all sides
    last agreed, in order, by side.
    """

    before: Any = None
    made: list[tuple[str, Any]] = field(default_factory=list)


# ---------------------------------------------------------------------- values and their numbers


def value_of(name: str, n: int) -> Any:
    """The canonical value with a number."""
    day = (DAY_NONE + timedelta(days=n)).isoformat()
    return {
        "title": f"Task {n}",
        "due": {"at": f"{day}T23:30:00Z"} if n % 3 == 0 else {"date": day},
        "labels": [f"l{n}", "ops"],
        "points": n,
    }[name]


def number_of(name: str, value: Any) -> int:
    """The number of a canonical value; 0: none."""
    if value in (None, [], ""):
        return 0
    match name:
        case "title":
            return int(str(value).removeprefix("Task "))
        case "due":
            day = value.get("date") or value["at"][:10]
            return (date.fromisoformat(day) - DAY_NONE).days
        case "labels":
            return max(int(one[1:]) for one in value if one != "ops")
        case _:
            return int(value)


def shown(tool: str, name: str, value: Any, parties: Mapping[str, str]) -> Any:
    """What a tool shows where the hub holds a canonical value."""
    match name:
        case "due" if value:
            day = date.fromisoformat(value.get("date") or value["at"][:10])
            return f"{day:%d.%m.%Y}" if tool == "sheet" else day.isoformat()
        case "labels":
            return sorted(value or ())
        case "status":
            words = {status: word for word, status in WORDS[tool].items()}
            return (words | BACK.get(tool, {}))[value]
        case "assignee":
            names = {party: key for key, party in parties.items()}
            return HANDLES[tool][names[value]] if value else None
        case _:
            return value


def number_there(tool: str, name: str, raw: Any) -> int:
    """The number of what a tool shows."""
    if raw in (None, [], ""):
        return 0
    if name == "due":
        day = "-".join(reversed(raw.split("."))) if tool == "sheet" else raw
        raw = {"date": day}
    return number_of(name, raw)


# ----------------------------------------------------------------------------------------- scenes


@dataclass(slots=True)
class Scene:
    """The tools and the hub in one history. `told` is that history in lines to read."""

    ground: Ground
    tools: dict[str, Tool] = field(default_factory=dict)
    fuse: Fuse = field(default_factory=Fuse)
    edits: dict[int, Edit] = field(default_factory=dict)
    choices: dict[tuple[int, str], Choice] = field(default_factory=dict)
    overruled: set[int] = field(default_factory=set)
    """Numbers that a person let go of who settled a conflict."""
    buried: set[int] = field(default_factory=set)
    """Numbers that stood in a record when somebody deleted it."""
    deleted: set[tuple[int, str]] = field(default_factory=set)
    """Tasks whose record was deleted in a tool at any time."""
    twins: bool = False
    """Whether the answer to a write ever showed more than the write."""
    answered: set[int] = field(default_factory=set)
    """Numbers that such an answer showed. A tool that changes what it is told looks just so: the
    mapping's policy decides, although whoever wrote the number had ours before them.
    """
    at_birth: set[int] = field(default_factory=set)
    """Those of them that the answer to a create showed. What a tool makes of a new record is mostly
    what it cannot do otherwise: that is before a person.
    """
    chosen: int = 0
    remarks: dict[str, set[str]] = field(default_factory=dict)
    """Comments by their text: the sides that must hear of each, as the task was there, or on its
    way there, when it was said.
    """
    told: list[str] = field(default_factory=list)
    _count: int = 0
    _tasks: int = 0
    _given: int = 0

    @property
    def hub(self) -> Hub:
        return self.ground.hub

    @property
    def now(self) -> datetime:
        return self.ground.clock()

    def open(self, skews: Mapping[str, float], thin: bool) -> None:
        """Put up three empty tools; clocks are so many seconds ahead."""
        for name in TOOLS:
            ahead = timedelta(seconds=skews.get(name, 0))
            self.tools[name] = Tool(
                name, lambda by=ahead: self.ground.clock() + by, self.fuse.tick,  # type: ignore[misc]
                thin=thin and name == "desk",
            )  # fmt: skip
            _Told.tools[name] = self.tools[name]

    # ---------------------------------------------------------------------------- what people do

    def number(self) -> int:
        self._count += 1
        return self._count

    def create(self, side: str) -> None:
        """A person makes a task."""
        task, title, due = self._tasks, self.number(), self.number()
        self._tasks += 1
        for n, name in ((title, "title"), (due, "due")):
            self.edits[n] = Edit(n, task, name, side, 0, self._clock(side))
        values = {"title": value_of("title", title), "due": value_of("due", due)}
        if side == HUB:
            with self.hub.unit() as unit, unit.acting(self._dana(unit)):
                entity = change.new_entity("task", values, unit)
                work.insert(unit.tx, "task", [entity])
                change.announce_new(unit, "task", entity)
        else:
            raw = {
                NAMES[side][name]: shown(side, name, value, self.ground.parties)
                for name, value in values.items()
            }
            raw[NAMES[side]["status"]] = next(iter(WORDS[side]))
            raw[NAMES[side]["assignee"]] = None
            raw[NAMES[side]["labels"]] = []
            raw[NAMES[side]["points"]] = None
            tool = self.tools[side]
            if side == "sheet":
                raw["ID"] = None
            tool.put("thing", f"{side[0]}{tool.change + 1}", raw, actor="dana")

    def edit(self, side: str, which: int, name: str, small: int = 0) -> bool:
        """A person writes something else into a field. False: there is nothing to write to."""
        if side != HUB:
            rows = self._rows(side)
            return bool(rows) and self.write(side, rows[which % len(rows)], name, small)
        tasks = self.entities()
        if not tasks:
            return False
        entity = tasks[which % len(tasks)]
        if name in UNIQUE:
            n = self.number()
            over = number_of(name, change.value_of(entity, CANONICAL[name]))
            self.edits[n] = Edit(n, self.task_of(entity), name, HUB, over, self._clock(HUB))
            value = value_of(name, n)
        else:
            value = self._small(entity, name, small)
            if value == entity[name]:
                return False
            self._choice(self.task_of(entity), name).made.append((HUB, value))
        with self.hub.unit() as unit, unit.acting(self._dana(unit)):
            locked = work.load(unit.tx, "task", [entity["id"]], lock=True)[entity["id"]]
            change.change(unit, "task", locked, {CANONICAL[name]: value})
            work.save(unit.tx, "task", [locked])
        return True

    def write(self, side: str, row: Row, name: str, small: int, actor: str = "dana") -> bool:
        """A person writes something else into a field of a record in a tool."""
        tool, column = self.tools[side], NAMES[side][name]
        task = self.task_there(side, row)
        if name in UNIQUE:
            n = self.number()
            over = number_there(side, name, row.values.get(column))
            self.edits[n] = Edit(n, task, name, side, over, self._clock(side))
            raw = shown(side, name, value_of(name, n), self.ground.parties)
        else:
            if name == "status":
                words = list(WORDS[side])
                raw, value = words[small % len(words)], WORDS[side][words[small % len(words)]]
            else:
                who = [None, "dana", "lee"][small % 3]
                raw: Any = HANDLES[side][who] if who else None
                value = self.ground.parties[who] if who else None
            if row.values.get(column) == raw:
                return False
            self._choice(task, name).made.append((side, value))
        tool.put("thing", row.id, {column: raw}, actor=actor)
        return True

    def delete(self, side: str, which: int) -> bool:
        """A person deletes a record in a tool."""
        rows = self._rows(side)
        if not rows:
            return False
        row = rows[which % len(rows)]
        self.deleted.add((self.task_there(side, row), side))
        self.buried |= {
            number_there(side, name, row.values.get(NAMES[side][name])) for name in UNIQUE
        }
        self.tools[side].put("thing", row.id, {}, actor="dana", deleted=True)
        return True

    def restore(self, side: str, which: int) -> bool:
        """A person brings a deleted record back as it was."""
        tool = self.tools[side]
        gone = sorted(
            (row for row in tool.rows.values() if row.deleted), key=lambda one: one.change
        )
        if not gone:
            return False
        row = gone[which % len(gone)]
        tool.put("thing", row.id, {}, actor="dana", deleted=False)
        return True

    def say(self, side: str, which: int) -> bool:
        """A person remarks on a task."""
        body = f"Remark {self.number()}"
        if side == HUB:
            tasks = self.entities()
            if not tasks:
                return False
            entity = tasks[which % len(tasks)]
            self.remarks[body] = {HUB} | self._sides(entity["id"])
            with self.hub.unit() as unit, unit.acting(self._dana(unit)):
                values = {"task": entity["id"], "body": body, "visibility": "public"}
                comment = change.new_entity("comment", values, unit)
                work.insert(unit.tx, "comment", [comment])
                change.announce_new(unit, "comment", comment)
                links = work.links_of(unit.tx, [entity["id"]]).get(entity["id"], ())
                change.mirror_comment(unit, comment, links)
            return True
        rows = self._rows(side)
        if not rows or side == "sheet":
            return False
        row, tool = rows[which % len(rows)], self.tools[side]
        linked = [one for one in self.all(t.links) if one["external_id"] == row.id]
        sides = self._sides(linked[0]["entity_id"]) if linked else set()
        self.remarks[body] = {HUB, side} | sides
        tool.put("note", f"n{tool.change + 1}", {"text": body}, actor="dana", parent=row.id)
        return True

    def _sides(self, entity: str) -> set[str]:
        """The tools with remarks that a task is in, or on its way to."""
        found = [*self.all(t.links), *self.all(t.pushes)]
        return {row["connection"] for row in found if row["entity_id"] == entity} - {"sheet"}

    def mirror(self) -> bool:
        """A person has every task mirrored wherever it is not."""
        linked = {(row["entity_id"], row["connection"]) for row in self.all(t.links)}
        asked = {
            (row["entity_id"], row["connection"])
            for row in self.all(t.pushes)
            if row["op"] == "create" and row["status"] != "superseded"
        }
        missing = [
            (entity["id"], tool)
            for entity in self.entities()
            for tool in TOOLS
            if (entity["id"], tool) not in linked | asked and entity["status"] != "cancelled"
        ]
        for id, tool in missing:
            with self.hub.unit() as unit, unit.acting(self._dana(unit)):
                entity = work.load(unit.tx, "task", [id], lock=True)[id]
                assert change.mirror(unit, "task", entity, tool)
        return bool(missing)

    def judge(self, which: int, choose: str) -> bool:
        """A person settles an open conflict."""
        found = [row for row in self.conflicts() if row["status"] == "open"]
        if not found:
            return False
        row = found[which % len(found)]
        name = _short(row["data"]["field"])
        with self.hub.unit() as unit:
            entity = work.load(unit.tx, "task", [row["subject"]])[row["subject"]]
            link = work.link_of(unit.tx, entity["id"], row["data"]["connection"])
            if name in UNIQUE and link is not None:
                if choose == "ours":
                    raw = link["data"].get(NAMES[link["connection"]][name])
                    self.overruled.add(number_there(link["connection"], name, raw))
                else:
                    value = change.value_of(entity, CANONICAL[name])
                    self.overruled.add(number_of(name, value))
            settling.resolve(unit, row["id"], self._dana(unit), choice=settling.Choice(choose))
        self.chosen += 1
        return True

    def _dana(self, unit: Any) -> Mapping[str, Any]:
        return person_actor(unit.snapshot.parties["dana"])

    def _small(self, entity: Row | Mapping[str, Any], name: str, small: int) -> Any:
        assert isinstance(entity, Mapping)
        if name == "assignee":
            who = [None, "dana", "lee"][small % 3]
            return self.ground.parties[who] if who else None
        ways = sorted(TRANSITIONS[TaskStatus][TaskStatus(entity["status"])])
        return str(ways[small % len(ways)])

    def _choice(self, task: int, name: str) -> Choice:
        return self.choices.setdefault((task, name), Choice())

    def _clock(self, side: str) -> datetime:
        return self.now if side == HUB else self.tools[side].clock()

    def _rows(self, side: str) -> list[Row]:
        return sorted(self.tools[side].things(), key=lambda one: one.id)

    # --------------------------------------------------------------------------- what may go wrong

    def fail(self, tool: str, fault: Fault) -> None:
        """The next write meets this."""
        self.tools[tool].faults.append(fault)

    def twin(self, tool: str, name: str, small: int, seen: bool) -> None:
        """In the second of our next write a person who is signed in as us edits the same record;
        the answer to our write shows that, or does not.
        """
        there = self.tools[tool]

        def quick(row: Row) -> None:
            if self.write(tool, row, name, small, actor=BOT) and seen and name in UNIQUE:
                self.answered.add(max(self.edits))
                if there.writes[-1].op == "create":
                    self.at_birth.add(max(self.edits))

        there.twin, there.twin_is_seen = quick, seen
        self.twins |= seen

    def drop(self, tool: str, which: int) -> bool:
        """A webhook never arrives."""
        post = self.tools[tool].post
        if not post:
            return False
        del post[which % len(post)]
        return True

    def hear(self, tool: str, which: int, times: int, *, again: bool) -> bool:
        """A webhook arrives, so many times; `again`: and once more some day."""
        post = self.tools[tool].post
        if not post or tool == "sheet":
            return False
        at = which % len(post)
        body = post[at]
        if not again:
            del post[at]
        for _ in range(times):
            self._receive(tool, body)
        return True

    def _receive(self, tool: str, body: bytes) -> None:
        with self.hub.database.write() as tx:
            inbox.store(
                tx,
                [
                    Incoming(
                        connection=tool,
                        delivery_id=None,
                        received_at=self.now,
                        method="POST",
                        url=f"http://hub/webhooks/{tool}",
                        headers={"content-type": "application/json"},
                        body=body,
                        body_hash=hashlib.sha256(body).hexdigest(),
                        verdict="genuine",
                        capture=False,
                    )
                ],
            )

    @contextmanager
    def perhaps_dying(self, after: int | None) -> Iterator[None]:
        """Within this the process dies after so many steps (None: it lives), and another one takes
        over.
        """
        self.fuse.left = after
        try:
            yield
        except Died as died:
            self.told.append(f"    -- it dies: {died}")
            self.recover()
        finally:
            self.fuse.left = None

    def recover(self) -> None:
        """Leases run out, as nobody holds them."""
        with self.hub.database.write() as tx:
            for one in (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES):
                queue.recover(tx, one)
            tx.execute(sa.update(t.cursors).values(lease_until=None))

    # ---------------------------------------------------------------------------- what the hub does

    def pull(self, tool: str, *, full: bool = False) -> None:
        for connection, object in pullable(self.hub.live.current()):
            if connection == tool:
                pull(self.hub, connection, object, force=True, full=full)

    def stage(self, name: str) -> None:
        STAGES[name](self.hub)

    def wait(self, seconds: float) -> None:
        """Time passes; what waits for its time may go after a minute."""
        self.ground.clock.now += timedelta(seconds=seconds)
        if seconds >= 60:
            self.hurry()

    def hurry(self) -> None:
        """Whatever waits for its time may go now, and whoever was to be left alone be asked."""
        with self.hub.database.write() as tx:
            tx.execute(sa.update(t.connections).values(open_until=None, limited_until=None))
            for one in (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES):
                queue.hurry(tx, one)

    def work(self) -> int:
        """Have all stages work until nothing is due; how much was done."""
        done = 0
        for _ in range(40):
            some = sum(stage(self.hub) for stage in STAGES.values())
            done += some
            if not some:
                return done
        raise AssertionError("The stages do not come to rest.")

    # ------------------------------------------------------------------------------------- looking

    def all(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.hub.database.read() as tx:
            found = tx.execute(sa.select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]

    def entities(self) -> list[dict[str, Any]]:
        """The hub's tasks, in the order in which people made them."""
        return sorted(self.all(t.tasks), key=lambda one: number_of("title", one["title"]))

    def conflicts(self) -> list[dict[str, Any]]:
        found = [row for row in self.all(t.exceptions) if row["type"] == "sync_conflict"]
        return sorted(found, key=lambda row: (row["data"]["connection"], row["data"]["field"]))

    def task_of(self, entity: Mapping[str, Any]) -> int:
        """Which task an entity is, by what people called it."""
        return self.edits[number_of("title", entity["title"])].task

    def task_there(self, side: str, row: Row) -> int:
        """Which task a record of a tool is, by what people called it."""
        return self.edits[number_there(side, "title", row.values[NAMES[side]["title"]])].task


def _short(name: str) -> str:
    return name.removeprefix("custom.")


@contextmanager
def scene(ground: Ground) -> Iterator[Scene]:
    """A scene on a ground; while it is there, its processes may die."""
    made = Scene(ground)
    database, original = ground.hub.database, ground.hub.database.write

    @contextmanager
    def write() -> Iterator[Any]:
        made.fuse.tick("before a transaction")
        with original() as tx:
            yield tx
        made.fuse.tick("after a transaction")

    database.write = write  # type: ignore[method-assign]
    wanted, die = failpoints._wanted, failpoints._perhaps_die
    failpoints._wanted = "sync"
    failpoints._perhaps_die = lambda place, wanted: made.fuse.tick(place)
    try:
        yield made
    finally:
        failpoints._wanted, failpoints._perhaps_die = wanted, die
        del database.write
        _Told.tools.clear()
