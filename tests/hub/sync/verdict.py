"""What must be true of a history once everything is at rest: a small policy model, judged by what
people wrote, what the tools hold, and what the hub's history says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from hub.flow import change
from hub.store import tables as t
from tests.hub.sync.ground import CANONICAL, FIELDS, NAMES, UNIQUE
from tests.hub.sync.scene import HUB, Edit, Scene, number_of, number_there, shown, value_of
from tests.hub.sync.tools import TOOLS, Row

Side = Literal["ours", "theirs"]


@dataclass(slots=True)
class Ruling:
    """Two values of a field of which one was to hold, as the hub's history has it: by a rule, or
    (`holds` None) by a person.
    """

    connection: str
    field: str
    ours: int
    theirs: int
    holds: Side | None


@dataclass(slots=True)
class Verdict:
    """Everything that is wrong, in words."""

    scene: Scene
    wrong: list[str] = field(default_factory=list)
    entities: dict[int, dict[str, Any]] = field(default_factory=dict)
    there: dict[str, dict[int, list[Row]]] = field(default_factory=dict)
    rulings: list[Ruling] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    """What is open about a field."""

    def __post_init__(self) -> None:
        scene = self.scene
        self.rulings = list(_rulings(scene))
        self.conflicts = [
            row
            for row in scene.all(t.exceptions)
            if row["status"] == "open" and row["data"].get("field")
        ]
        for entity in scene.entities():
            task = scene.task_of(entity)
            if task in self.entities:
                self.say(f"task {task} is there twice in the hub")
            self.entities[task] = entity
        for tool in TOOLS:
            found: dict[int, list[Row]] = defaultdict(list)
            for row in scene.tools[tool].things():
                found[scene.task_there(tool, row)].append(row)
            self.there[tool] = found

    def say(self, what: str) -> None:
        self.wrong.append(what)

    def all(self) -> list[str]:
        self.everybody_has_everything()
        self.all_agree()
        self.nothing_is_lost()
        self.rulings_are_right()
        self.nobody_goes_back()
        self.small_fields_are_right()
        self.nobody_is_told_twice()
        self.remarks_are_everywhere_once()
        self.no_other_trouble()
        return self.wrong

    # ------------------------------------------------------------------------------- agreement

    def everybody_has_everything(self) -> None:
        """Each task once in the hub and in each tool, unless it was deleted there."""
        scene = self.scene
        for task in sorted({edit.task for edit in scene.edits.values()}):
            gone = {tool for of, tool in scene.deleted if of == task}
            # what is cancelled before it was made in a tool need not be made there any more
            idle = self.entities.get(task, {}).get("status") == "cancelled"
            if task not in self.entities and not gone:
                self.say(f"task {task} is not in the hub")
            for tool in TOOLS:
                count = len(self.there[tool][task])
                if count > 1 or (count == 0 and not gone and not idle):
                    self.say(f"task {task} is there {count} times in {tool}")

    def all_agree(self) -> None:
        """Each tool shows what the hub holds, as far as it can, but for fields under review."""
        scene = self.scene
        review = {
            (row["subject"], row["data"]["connection"], row["data"]["field"])
            for row in self.conflicts
        }
        for task, entity in self.entities.items():
            for tool in TOOLS:
                for row in self.there[tool][task]:
                    for name in FIELDS:
                        if (entity["id"], tool, CANONICAL[name]) in review:
                            continue
                        ours = change.value_of(entity, CANONICAL[name])
                        wanted = shown(tool, name, ours, scene.ground.parties)
                        raw = row.values.get(NAMES[tool][name])
                        if name == "labels":
                            raw = sorted(raw or ())
                        if raw != wanted:
                            self.say(
                                f"{name} of task {task}: the hub holds {ours!r}, {tool} shows"
                                f" {raw!r}"
                            )

    # --------------------------------------------------------------------------------- answers

    def nothing_is_lost(self) -> None:
        """What somebody wrote is there, or was written over by somebody who saw it, or lost by a
        ruling that the history shows, or is before a person.
        """
        scene = self.scene
        seen = {edit.over for edit in scene.edits.values()}
        ruled = {
            n
            for one in self.rulings
            for n in ((one.ours, one.theirs) if one.holds is None else (_loser(one),))
        }
        there = {
            number_of(name, change.value_of(entity, CANONICAL[name]))
            for entity in self.entities.values()
            for name in UNIQUE
        }
        told = {n for row in scene.all(t.exceptions) for n in self._not_taken(row)}
        kept = seen | ruled | there | told | scene.overruled | scene.buried
        for n in sorted(set(scene.edits) - kept):
            edit = scene.edits[n]
            self.say(f"{edit.field} number {n} of task {edit.task}, from {edit.side}, is lost")

    def _not_taken(self, row: Mapping[str, Any]) -> set[int]:
        """The numbers that an exception shows as what a tool made of a new record."""
        if row["type"] != "push_failed":
            return set()
        found = set()
        for n in self.scene.at_birth:
            edit = self.scene.edits[n]
            value = value_of(edit.field, n)
            if edit.field == "due":  # no tool here knows more than the day
                value = {"date": value.get("date") or value["at"][:10]}
            about = (row["data"].get("connection"), row["data"].get("field"))
            shows = f"it now holds {value!r} and" in row["detail"]
            if about == (edit.side, CANONICAL[edit.field]) and shows:
                found.add(n)
        return found

    def rulings_are_right(self) -> None:
        """Only values of which neither knew the other are ruled on, as the mapping says."""
        scene = self.scene
        for one in self.rulings:
            ours, theirs = scene.edits.get(one.ours), scene.edits.get(one.theirs)
            what = f"{one.field} in {one.connection}: {one.ours} (ours) or {one.theirs} (theirs)"
            knew = self._knew(one.ours, one.theirs) or self._knew(one.theirs, one.ours)
            if knew and one.theirs not in scene.answered:
                self.say(f"{what} is no conflict: one knew the other")
                continue
            policy = scene.ground.policies[one.connection][one.field]
            right = self._answer(policy, one.connection, ours, theirs)
            if one.holds not in right:
                self.say(f"{what} is to be settled by {policy}, and was: {one.holds}")

    def nobody_goes_back(self) -> None:
        """No value gives way to one that whoever wrote it had before them: that is old news."""
        for event in self.scene.all(t.events):
            if event["type"].split(".")[0] != "task" or event["type"] == "task.created":
                continue
            for name, one in event["changed"].items():
                short = name.removeprefix("custom.")
                if short not in UNIQUE:
                    continue
                before, after = (number_of(short, one[side]) for side in ("before", "after"))
                if before != after and self._knew(before, after):
                    self.say(f"{short} goes back from number {before} to {after}")

    def _knew(self, n: int, other: int) -> bool:
        """Whether whoever wrote number `n` had number `other` before them, at any remove."""
        if other == 0:
            return True
        while n:
            if n == other:
                return True
            n = self.scene.edits[n].over
        return False

    def _answer(
        self, policy: str, connection: str, ours: Edit | None, theirs: Edit | None
    ) -> set[Side | None]:
        """The policy's answer; both where nobody can tell."""
        match policy:
            case "review":
                return {None}
            case "ours" | "theirs":
                return {policy}
            case "newest":
                if ours is None or theirs is None:
                    return {"ours", "theirs"}
                if theirs.side == "sheet":
                    return {"theirs"}  # it has no times: when it was heard of counts
                if ours.side == "sheet" or abs(ours.told - theirs.told) < timedelta(seconds=1):
                    return {"ours", "theirs"}
                newer: Side = "theirs" if theirs.told > ours.told else "ours"
                # a tool tells one time for all fields of a record
                return {newer, "theirs"}
            case _:
                return {"theirs" if policy.removeprefix("record:") == connection else "ours"}

    def small_fields_are_right(self) -> None:
        """Where one side alone has changed a field since all agreed, its last word holds; where
        several have, one of their last words does.
        """
        for (task, name), choice in self.scene.choices.items():
            entity = self.entities.get(task)
            if entity is None:
                continue
            last = dict(choice.made)
            allowed = {*last.values()} if last else {choice.before}
            if any(of == task for of, _ in self.scene.deleted):
                continue
            if any(row["subject"] == entity["id"] and row["data"]["field"] == name
                   for row in self.conflicts):  # fmt: skip
                continue
            if len(last) > 1 or self.scene.chosen:
                allowed |= {choice.before, *(value for _, value in choice.made)}
            if entity[name] not in allowed:
                self.say(
                    f"{name} of task {task} is {entity[name]!r}, and people said {choice.made}"
                )

    # ---------------------------------------------------------------------------------- writes

    def nobody_is_told_twice(self) -> None:
        """No value is written twice to a record, unless a person wrote over it there; and no more
        is written than there were edits.
        """
        scene = self.scene
        edits = Counter(edit.task for edit in scene.edits.values())
        for (task, _), choice in scene.choices.items():
            edits[task] += len(choice.made)
        over = Counter((edit.side, edit.field, edit.over) for edit in scene.edits.values())
        for tool in TOOLS:
            told: Counter[tuple[str, str, int]] = Counter()
            calls: Counter[str] = Counter()
            for write in scene.tools[tool].writes:
                if write.object != "thing":
                    continue
                calls[write.id] += 1
                for name in UNIQUE:
                    if NAMES[tool][name] in write.fields:
                        n = number_there(tool, name, write.fields[NAMES[tool][name]])
                        told[write.id, name, n] += 1
            for (id, name, n), count in told.items():
                if n and count > 1 + over[tool, name, n]:
                    self.say(f"{name} number {n} was written {count} times to {tool} {id}")
            for id, count in calls.items():
                row = scene.tools[tool].rows["thing", id]
                task = scene.task_there(tool, row)
                if count > edits[task] + scene.chosen + 1:
                    self.say(f"{tool} {id} was written {count} times for {edits[task]} edits")

    def remarks_are_everywhere_once(self) -> None:
        scene = self.scene
        if scene.deleted:
            return
        ours = Counter(row["body"] for row in scene.all(t.comments))
        sides = {HUB: ours} | {
            tool: Counter(row.values["text"] for row in scene.tools[tool].things("note"))
            for tool in ("tracker", "desk")
        }
        for side, found in sides.items():
            for body, wanted in scene.remarks.items():
                if found[body] != 1 and (side in wanted or found[body]):
                    self.say(f"{body!r} is there {found[body]} times in {side}")

    def no_other_trouble(self) -> None:
        """Nothing else is before a person, unless records were deleted; nothing has stuck."""
        for row in self.scene.all(t.exceptions):
            if row["status"] != "open" or row["type"] == "sync_conflict" or self.scene.deleted:
                continue
            if row["type"] == "push_failed" and self.scene.twins:
                short = str(row["data"].get("field")).removeprefix("custom.")
                if short not in UNIQUE or self._not_taken(row):
                    continue  # a person set it back to what had been there before our write, or
                    # wrote over a new record before its answer came
            self.say(f"exception {row['type']}: {row['title']} ({row['detail']})")
        if self.scene.deleted:  # a remark on what was deleted waits for it a while
            return
        waiting = ((t.pushes, "pending"), (t.records, "pending"), (t.deliveries, "accepted"))
        for table, ready in waiting:
            for row in self.scene.all(table):
                if row["status"] == ready:
                    self.say(f"{table.name}: {row['error'] or 'something'} still waits")


def _loser(one: Ruling) -> int:
    return one.theirs if one.holds == "ours" else one.ours


def _rulings(scene: Scene) -> Iterator[Ruling]:
    """All that was ruled on, by rules and before people."""
    for event in scene.all(t.events):
        for name, one in (event["data"].get("rulings") or {}).items():
            short = name.removeprefix("custom.")
            if short in UNIQUE:
                yield Ruling(
                    event["data"]["connection"],
                    short,
                    number_of(short, one["ours"]),
                    number_of(short, one["theirs"]),
                    one["holds"],
                )
    for row in scene.conflicts():
        data = row["data"]
        short = data["field"].removeprefix("custom.")
        if short in UNIQUE:
            yield Ruling(
                data["connection"],
                short,
                number_of(short, data["ours"]),
                number_of(short, data["theirs"]),
                None,
            )


def account(scene: Scene) -> Iterator[str]:
    """Everything that became of a history, in lines to read."""
    for event in scene.all(t.events):
        told = {name: value for name, value in event["data"].items() if name != "mapping"}
        yield f"event {event['type']} by {event['actor']['name']}: {event['changed']} {told}"
    for link in scene.all(t.links):
        bases = f"they: {link['remote_base']} we: {link['hub_base']}"
        yield f"link {link['connection']} {link['external_id']} {link['remote_version']} {bases}"
    for push in scene.all(t.pushes):
        told = f"{push['status']} {push['fields']} {push['error'] or ''}"
        yield f"push {push['connection']} {push['op']} {told}"
    for row in scene.all(t.records):
        yield f"record {row['connection']} {row['external_id']} {row['kind']} {row['status']}"
    for row in scene.all(t.exceptions):
        yield f"exception {row['type']} {row['status']} {row['title']}: {row['detail']}"
    for tool in scene.tools.values():
        yield from (f"{tool.name} took {write}" for write in tool.writes)
        yield from (f"{tool.name} holds {row}" for row in tool.rows.values())
    yield from scene.told
