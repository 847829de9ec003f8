"""What a plan says before a sync is what it then does: here and in every tool, to the field."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk.sandbox import Sandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.foreseen import FollowUp, Foreseen, RecordPlan, WritePlan, named
from hub.flow.planning import Planning
from hub.flow.pull import pull, pullable
from hub.flow.undone import Missing
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.order_numbers import ISSUE, ROW
from tests.hub.flow.world import World

Row = dict[str, Any]

CALL = """
mapping: call
extends: salesforce-task
connection: crm
match: {by: custom.order_no}
fields:
  title: {from: $.Subject, system_of_record: crm}
  status:
    from: $.Status
    values: {Not Started: open, In Progress: in_progress, Completed: done}
    back: {on_hold: In Progress, cancelled: Completed}
    otherwise: exception
  custom.order_no:
    {from: $.Description, as: [{regex: "Order ([A-Za-z0-9-]+)"}], direction: in, default: ""}
"""
LINE = ROW + "  title: {from: $.Title, conflict: newest}\n"
RULE = """
rules:
  - rule: file it
    when: task.created
    if: "'vip' in task.labels"
    then:
      - create_task: {title: "Look at it", connection: tracker}
"""
FILES = {
    "mappings/issue.yaml": ISSUE,
    "mappings/call.yaml": CALL,
    "mappings/row.yaml": LINE,
    "rules/vip.yaml": RULE,
}
STATUS = {
    "crm": ["Not Started", "In Progress", "Completed", "Deferred"],
    "tracker": ["Open", "In progress", "Done", "Parked", "", "Cancelled"],
}  # fmt: skip
PEOPLE = ["dmeier", "lkim", "stranger"]
EMAILS = ["dana@acme.test", "lee@acme.test", "stranger@acme.test"]
HERE = ["open", "in_progress", "done", "on_hold"]


@pytest.fixture(params=[0, 1, 2, 5, 8])
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Shuffles the story; a failure is told with its number. In 5 and 8 the hub writes to an issue
    that was deleted unseen.
    """
    return random.Random(request.param)


class Scene:
    """Three tools and a hub, and what people do in each."""

    def __init__(
        self, world: World, github: GithubSandbox, crm: SalesforceSandbox,
        tracker: SpreadsheetSandbox, dice: random.Random,
    ) -> None:  # fmt: skip
        self.world, self.dice = world, dice
        self.github, self.crm, self.tracker = github, crm, tracker
        self.boxes: Mapping[str, Sandbox] = {"github": github, "crm": crm, "tracker": tracker}
        self.strange = crm.create_user("Stranger", "stranger@acme.test")
        self.owners = [crm.user("dana@acme.test"), crm.user("lee@acme.test"), self.strange]
        self.issues: list[int] = []
        self.calls: list[str] = []
        self.lines: list[str] = []
        self.gone: set[tuple[str, str]] = set()
        """What was deleted in a tool that reports no deletions, by connection and id."""

    def order(self) -> str:
        """A number that several records bear, or none."""
        return self.dice.choice(["", *(f"A-{number}" for number in range(1, 7))])

    def begin(self, count: int) -> None:
        """Records in each tool."""
        pick = self.dice.choice
        for _ in range(count):
            number = self.order()
            self.issues.append(
                self.github.open_issue(
                    f"Deal {pick('abcdefgh')}", body=f"Order {number}" if number else "",
                    assignees=pick([[], [pick(PEOPLE)]]), labels=pick([[], ["vip"], ["slow"]]),
                )
            )  # fmt: skip
            if pick([True, False]):
                self.github.comment(self.issues[-1], f"As agreed {pick('abc')}", by=pick(PEOPLE))
            number = self.order()
            self.calls.append(
                self.crm.create(
                    "Task", Subject=f"Call {pick('abcdefgh')}", Status=pick(STATUS["crm"]),
                    Description=f"Order {number}" if number else None, OwnerId=pick(self.owners),
                )
            )  # fmt: skip
            id = f"R{len(self.lines) + 1}"
            self.lines.append(id)
            self.tracker.edit(
                id, Title=f"Deal {pick('abcdefgh')}", Status=pick(STATUS["tracker"]),
                Owner=pick(["", *EMAILS]), Notes=self.order(),
            )  # fmt: skip

    def some(self, of: list[Any], count: int) -> list[Any]:
        return self.dice.sample(of, min(count, len(of)))

    def go_on(self, count: int, there: str) -> None:
        """People work on both sides. In one tool only: what was changed in others that nobody has
        looked at yet is no part of a plan.
        """
        pick, world = self.dice.choice, self.world
        for number in self.some(self.issues, count if there == "github" else 0):
            did = pick(["title", "close", "label", "assign", "say", "delete"])
            if did == "title":
                self.github.edit_issue(number, title=f"Deal {pick('abcdefgh')} now")
            elif did == "close":
                self.github.close_issue(number)
            elif did == "label":
                self.github.edit_issue(number, labels=["vip", "slow"])
            elif did == "assign":
                self.github.edit_issue(number, assignees=[pick(PEOPLE)])
            elif did == "say":
                self.github.comment(number, "One more thing.", by=pick(PEOPLE))
            else:
                self.gone.add(("github", str(self.github.issue(number)["id"])))
                self.github.delete_issue(number)
                self.issues.remove(number)
        for id in self.some(self.calls, count if there == "crm" else 0):
            did = pick(["title", "status", "owner", "delete"])
            if did == "title":
                self.crm.update("Task", id, Subject=f"Call {pick('abcdefgh')} now")
            elif did == "status":
                self.crm.update("Task", id, Status=pick(STATUS["crm"]))
            elif did == "owner":
                self.crm.update("Task", id, OwnerId=pick(self.owners))
            else:
                self.crm.delete("Task", id)
                self.calls.remove(id)
        for id in self.some(self.lines, count if there == "tracker" else 0):
            did = pick(["title", "status", "owner", "delete"])
            if did == "title":
                self.tracker.edit(id, Title=f"Deal {pick('abcdefgh')} now")
            elif did == "status":
                self.tracker.edit(id, Status=pick(STATUS["tracker"]))
            elif did == "owner":
                self.tracker.edit(id, Owner=pick(["", *EMAILS]))
            else:
                self.gone.add(("tracker", id))
                self.tracker.delete(id)
                self.lines.remove(id)
        tasks = world.tasks()
        for task in self.some(tasks, count):
            did = pick(["title", "status", "assignee", "say"])
            if did == "title":
                world.edit(task["id"], title=f"Ours {pick('abcdefgh')}")
            elif did == "status":
                ways = HERE if task["status"] in ("open", "in_progress") else HERE[:2]
                world.edit(task["id"], status=pick(ways))
            elif did == "assignee":
                world.edit(task["id"], assignee=world.party(pick(["dana", "lee"])))
            else:
                world.say(task["id"], f"Seen {pick('abc')}.")
        made = world.create(there, title=f"New for {there}")
        world.say(made, "Please have a look.")


@pytest.fixture
def scene(
    make: MakeWorld, github: GithubSandbox, crm: SalesforceSandbox,
    tracker: SpreadsheetSandbox, dice: random.Random,
) -> Scene:  # fmt: skip
    github.people = [*github.people, *(one for one in PEOPLE if one not in github.people)]
    boxes = {"github": github, "crm": crm, "tracker": tracker}
    return Scene(make(boxes, FILES), github, crm, tracker, dice)


# ------------------------------------------------------------------------------- what is compared


def foreseen(world: World, connection: str, **how: Any) -> list[Foreseen]:
    planning = Planning(world.hub, world.hub.live.current(), connection, **how)
    objects = [object for name, object in pullable(planning.snapshot) if name == connection]
    return list(planning.run(objects, lambda object, seen: None))


def synced(world: World, connection: str, **how: Any) -> None:
    """Exactly what a plan is of: a pull, what it queued, and what waits to be sent."""
    for name, object in pullable(world.hub.live.current()):
        if name == connection:
            result = pull(world.hub, name, object, force=True, **how)
            assert result.error is None
    for _ in range(20):
        world.hurry()
        if not bring_in(world.hub):
            break
    for _ in range(20):
        world.hurry()
        if not deliver(world.hub):
            break


def state(world: World) -> dict[tuple[str, str], Row]:
    """Each task and comment that is linked, by its records, and each that is not, by its id."""
    rows = {("task", row["id"]): row for row in world.tasks()}
    return rows | {("comment", row["id"]): row for row in world.comments()}


Said = Counter[Any]


def fields_now(world: World, kind: str, row: Row, names: Any) -> Row:
    snapshot = world.hub.live.current()
    return {name: named(snapshot, name, change.value_of(row, name)) for name in names}


def check_here(world: World, found: list[Foreseen], before: Any, links: Any) -> None:
    """Entities: the same come, change and go, and each foreseen field has the foreseen value."""
    after = state(world)
    known = {(one["connection"], one["object"], one["external_id"]): one for one in world.links()}
    plans = [one for one in found if isinstance(one, RecordPlan)]
    created = {("task", "comment")[one.entity_type == "comment"]: 0 for one in plans}
    touched: set[tuple[str, str]] = set()
    for one in plans:
        link = known.get((one.connection, one.object, one.external_id))
        if one.here is None:
            continue
        assert link is not None, one
        key = (one.entity_type, link["entity_id"])
        row, was = after[key], before.get(key)
        touched.add(key)
        assert (was is None) == (one.here == "create"), one
        if one.here == "link":
            assert (one.connection, one.external_id) not in links
        if one.here == "delete":
            assert link["remote_deleted"], one
        for field in one.fields:
            now = fields_now(world, one.entity_type, row, [field.name])[field.name]
            assert now == field.after, (one, field, now)
        created[one.entity_type] = created.get(one.entity_type, 0) + (one.here == "create")
        names = {field.name for field in one.fields}
        mapping = world.hub.live.current().mapping(one.connection, one.object)
        assert mapping is not None
        for name in mapping.spec.fields:
            if name not in names:
                now = fields_now(world, one.entity_type, row, [name])[name]
                then = fields_now(world, one.entity_type, was, [name])[name] if was else None
                if was is None and now in (None, "", [], "open"):
                    continue
                assert now == then, (one, name, then, now)
    for key, row in after.items():
        if key in touched or key not in before:
            continue
        for name in ("title", "status", "assignee", "description", "due", "labels", "body"):
            assert row.get(name) == before[key].get(name), (key, name)
    made = {key for key in after if key not in before} - touched
    followed = Counter(one.type for one in found if isinstance(one, FollowUp))
    assert len(made) == followed["task.created"], (made, followed)


def conflicts_of(found: list[Foreseen]) -> Said:
    return Counter(
        (one.connection, conflict.name, repr(conflict.ours), repr(conflict.theirs))
        for one in found
        if isinstance(one, RecordPlan)
        for conflict in one.conflicts
        if not conflict.asked
    )


def troubles_of(found: list[Foreseen]) -> Said:
    return Counter(
        (problem.type, problem.field)
        for one in found
        if isinstance(one, RecordPlan)
        for problem in one.problems
    )


def raised(world: World, before: set[str]) -> tuple[Said, Said]:
    """The new conflicts, and the other new exceptions that a pull opened."""
    new = [row for row in world.exceptions(None) if row["id"] not in before]
    conflicts = Counter(
        (row["data"]["connection"], row["data"]["field"], repr(row["data"]["ours"]),
         repr(row["data"]["theirs"]))
        for row in new if row["type"] == "sync_conflict"
    )  # fmt: skip
    others = Counter(
        (row["type"], row["data"].get("field"))
        for row in new
        # what a tool refuses, nobody can know before
        if row["type"] not in ("sync_conflict", "push_failed")
        and row["data"].get("direction") != "out"
    )
    return conflicts, others


def refusals(world: World) -> dict[str, Row]:
    """The pushes that a tool refused for good, by their id."""
    with world.hub.database.read() as tx:
        rows = tx.execute(t.pushes.select().where(t.pushes.c.status == "failed")).mappings()
        return {row["id"]: dict(row) for row in rows}


def check_there(
    scene: Scene, found: list[Foreseen], marks: Mapping[str, int], refused: list[Row]
) -> None:
    """Each write that was foreseen reached its tool, with its values, and no other did. What its
    tool refused was foreseen as well: that somebody deleted the record there, in a tool that the
    plan did not read, nobody can know before; the refusal says it.
    """
    writes = [one for one in found if isinstance(one, WritePlan) and one.fields]
    for push in refused:
        assert "deleted" in push["error"], push
        assert (push["connection"], push["external_id"]) in scene.gone, push
    failed = {(push["connection"], push["external_id"]) for push in refused}
    for name in ("github", "crm"):
        effects = scene.boxes[name].ledger[marks[name] :]
        said = [one for one in writes if one.connection == name]
        told = Counter((one.op, one.object) for one in said)
        came = Counter((one.op, one.object.lower()) for one in effects)
        came.update((push["op"], push["object"]) for push in refused if push["connection"] == name)
        assert told == came, shown(said, effects, refused)
        for one in said:
            if (name, one.external_id) in failed:
                continue
            same = [
                effect
                for effect in effects
                if (effect.op, effect.object.lower()) == (one.op, one.object)
                and (one.op == "create" or effect.id == one.external_id)
                and all(alike(effect.fields, field, after)
                        for field, (_, after) in one.fields.items())
            ]  # fmt: skip
            assert same, shown([one], effects)
    rows = scene.tracker.rows()
    for one in writes:
        if one.connection == "tracker":
            assert any(
                (one.op == "create" or str(row["ID"]) == one.external_id)
                and all(cell(row[name]) == cell(after) for name, (_, after) in one.fields.items())
                for row in rows
            ), (one, rows)


def shown(*lists: Any) -> str:
    return "\n\n".join("\n".join(map(str, some)) for some in lists)


def alike(fields: Mapping[str, Any], name: str, value: Any) -> bool:
    """Whether a write says this; the connector's own words for a person and its mark aside."""
    if name == "assignee":
        return value in (None, "") or value in fields.get("assignees", ())
    sent = fields.get(name)
    if name == "body":
        return str(sent or "").startswith(str(value or ""))
    return bool(sent == value or sent == [value])


def cell(value: Any) -> str:
    return str(value or "")


def send_elsewhere(world: World, connection: str) -> None:
    """What waits for the other tools goes out: a plan is of one."""
    for _ in range(20):
        world.hurry()
        with world.hub.database.write() as tx:
            later = world.clock() + timedelta(hours=1)
            mine = t.connections.c.name == connection
            tx.execute(t.connections.update().where(mine).values(open_until=later))
        if not (bring_in(world.hub) + deliver(world.hub)):
            break
    world.hurry()


def compared(scene: Scene, connection: str, **how: Any) -> list[Foreseen]:
    """Plan, sync, and hold the one against the other; what was foreseen."""
    world = scene.world
    send_elsewhere(world, connection)
    before = state(world)
    links = {(one["connection"], one["external_id"]) for one in world.links()}
    open_before = {row["id"] for row in world.exceptions(None)}
    marks = {name: len(box.ledger) for name, box in scene.boxes.items()}
    refused = refusals(world)
    shared = scene.tracker.rows()
    found = foreseen(world, connection, **how)
    assert {name: len(box.ledger) for name, box in scene.boxes.items()} == marks
    assert scene.tracker.rows() == shared
    synced(world, connection, **how)
    check_here(world, found, before, links)
    conflicts, others = raised(world, open_before)
    assert conflicts_of(found) == conflicts
    assert troubles_of(found) == others
    check_there(
        scene, found, marks, [row for id, row in refusals(world).items() if id not in refused]
    )
    return found


def test_a_sync_does_what_its_plan_said(scene: Scene) -> None:
    scene.begin(7)
    kinds: Counter[str] = Counter()
    for round in range(3):
        for name in scene.boxes:
            if round:
                scene.go_on(4, name)
            for one in compared(scene, name, full=round == 1):
                kinds[getattr(one, "here", None) or type(one).__name__] += 1
    for kind in ("create", "update", "WritePlan"):
        assert kinds[kind], kinds


def test_what_a_pull_of_everything_would_miss_is_part_of_its_plan(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """Each that is missing is looked for, as the pull will; where too many are, that is said."""
    world = make({"github": github})
    numbers = [github.open_issue(f"Issue {number}") for number in range(3)]
    world.settle(1)
    github.delete_issue(numbers[0])
    for then in ("wait", "gone"):
        found = foreseen(world, "github", full=True)
        [missing] = [one for one in found if isinstance(one, Missing)]
        assert (missing.object, missing.seen, missing.missed) == ("issue", 2, 1)
        assert missing.then == then
        deleted = [(one.here, one.title) for one in found if isinstance(one, RecordPlan)]
        assert deleted == ([("delete", "Issue 0")] if then == "gone" else [])
        synced(world, "github", full=True)
        gone = [one["external_id"] for one in world.links() if one["remote_deleted"]]
        assert gone == (list(missing.some) if then == "gone" else [])


def test_what_is_missing_is_asked_for_where_the_tool_can_be(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    world = make({"crm": crm})
    ids = [crm.create("Task", Subject=f"Call {number}") for number in range(3)]
    world.settle(1)
    crm.purge("Task", ids[0])
    found = foreseen(world, "crm", full=True)
    [missing] = [one for one in found if isinstance(one, Missing)]
    assert (missing.object, missing.seen, missing.missed, missing.then) == ("task", 2, 1, "ask")
    [gone] = [one for one in found if isinstance(one, RecordPlan)]
    assert (gone.here, gone.title) == ("delete", "Call 0")
    synced(world, "crm", full=True)
    [deleted] = [one["external_id"] for one in world.links() if one["remote_deleted"]]
    assert deleted == gone.external_id


def test_that_everything_is_missing_is_doubted(make: MakeWorld, github: GithubSandbox) -> None:
    world = make({"github": github})
    number = github.open_issue("The only one")
    world.settle(1)
    github.delete_issue(number)
    found = foreseen(world, "github", full=True)
    [missing] = [one for one in found if isinstance(one, Missing)]
    assert (missing.seen, missing.missed, missing.then) == (0, 1, "many")
    assert not [one for one in found if isinstance(one, RecordPlan)]
    synced(world, "github", full=True)
    assert world.kinds() == ["mass_deletion"]
