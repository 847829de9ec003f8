"""A plan shows what a sync would do, and does nothing: neither in a tool nor here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from connectors.github.sandbox import GithubSandbox
from connectors.sdk.sandbox import Sandbox
from hub.flow.foreseen import FollowUp, Foreseen, RecordPlan, WritePlan
from hub.flow.planning import Planning
from hub.flow.pull import pullable
from hub.hub import Hub
from hub.process.explain import explain
from hub.registry import connector_classes
from hub.store import tables as t
from hub.workspace import load
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World
from tests.story.test_every_connector import TOOLS

ALLOWED = ("vault",)
"""Access tokens may be renewed, as by anybody who reads."""


def planned(world: World, connection: str = "github", **how: Any) -> tuple[Planning, list[Any]]:
    """A plan by the revision in force, run to its end; whoever is woken or told fails the test."""

    def never(*_: Any) -> None:
        raise AssertionError("A plan wakes nobody.")

    quiet = replace(world.hub, wake=never, announce=never)
    planning = Planning(quiet, world.hub.live.current(), connection, **how)
    objects = [object for name, object in pullable(planning.snapshot) if name == connection]
    return planning, list(planning.run(objects, lambda object, seen: None))


def rows(hub: Hub) -> dict[str, str]:
    """Every table by a hash of its rows; of SQLite, the pages of the file too."""
    found = {}
    with hub.database.read() as tx:
        for name, table in t.metadata.tables.items():
            if name not in ALLOWED:
                content = sorted(repr(tuple(row)) for row in tx.execute(sa.select(table)))
                found[name] = hashlib.sha256("\n".join(content).encode()).hexdigest()
    url = hub.database.engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        with hub.database.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        found["file"] = hashlib.sha256(Path(url.database).read_bytes()).hexdigest()
    return found


def files(folder: Path) -> dict[str, str]:
    """A shared folder, for a tool that is a file; locks and all."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=sorted(connector_classes()))
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Sandbox]]:
    """The sandbox of each connector, with the records that it brings."""
    module, _, kind = connector_classes()[request.param].sandbox.partition(":")
    cls = getattr(import_module(module), kind)
    sandbox = cls(tmp_path / "share") if request.param == "spreadsheet" else cls()
    with sandbox:
        sandbox.populate()
        yield request.param, sandbox


def test_a_plan_writes_nothing_anywhere(
    tool: tuple[str, Sandbox], make: MakeWorld, tmp_path: Path
) -> None:
    """Before the first sync, and with edits that wait to go out; and it says what a sync does."""
    name, box = tool
    told = TOOLS.get(name)
    world = make({"tool": box}, dict(told.files) if told else {})
    world.hub.live.current().connector("tool").check()  # so that its token is not what changes
    planning, found = untouched(world, box, tmp_path)
    promised = planning.counts
    world.settle()
    made = world.tasks() + world.comments() + world.all(t.items)
    assert promised.get("create here", 0) == len(made)
    titles = sorted(str(one.title) for one in found if isinstance(one, RecordPlan) and one.here)
    for task in world.tasks():
        assert task["title"] in titles
    for task in world.tasks()[:3]:
        world.edit(task["id"], title=f"{task['title']} (edited)")
    _, again = untouched(world, box, tmp_path)
    mapping = next(
        (one for one in world.hub.live.current().workspace.mappings.values()
         if one.spec.entity == "task"), None,
    )  # fmt: skip
    writes = [one for one in again if isinstance(one, WritePlan)]
    if mapping is not None and mapping.invertible("title") and world.tasks():
        assert writes, "the edits wait to go out"
        assert all("(edited)" in str(one.fields) for one in writes if one.op == "update")
    else:
        assert writes == []


def untouched(world: World, box: Sandbox, folder: Path) -> tuple[Planning, list[Any]]:
    """A full plan, and the proof that nothing was written."""
    share = folder / "share"
    before, written, shared = rows(world.hub), len(box.ledger), files(share)
    box.faults.read_only = True
    planning, found = planned(world, "tool", full=True)
    box.faults.read_only = False
    assert box.faults.forbidden == []
    assert len(box.ledger) == written
    assert files(share) == shared
    assert rows(world.hub) == before
    return planning, found


# ---------------------------------------------------------------------------------- what it says


def the(kind: Callable[..., Any], found: list[Foreseen]) -> Any:
    (one,) = [one for one in found if isinstance(one, kind)]  # type: ignore[arg-type]
    return one


def test_a_change_there_is_shown_field_by_field_with_its_line(
    world: World, github: GithubSandbox
) -> None:
    number = github.open_issue("Wire it")
    world.settle()
    github.edit_issue(number, title="Wire it now", state="closed")
    planning, found = planned(world)
    record = the(RecordPlan, found)
    assert record.here == "update"
    assert {one.name: (one.before, one.after) for one in record.fields} == {
        "title": ("Wire it", "Wire it now"),
        "status": ("open", "done"),
    }
    assert all("changed in github only" in one.why for one in record.fields)
    assert all("issue.yaml:" in str(one.at) for one in record.fields)
    assert planning.counts["update here"] == 1


def test_an_edit_here_is_shown_in_the_words_of_the_tool(
    world: World, github: GithubSandbox
) -> None:
    github.open_issue("Wire it")
    world.settle()
    world.edit(world.task["id"], status="done")
    _, found = planned(world)
    write = the(WritePlan, found)
    assert (write.op, write.why) == ("update", "waits in the outbox")
    assert write.fields["state"] == ("open", "closed")
    assert "issue.yaml:" in write.at["status"]


RULED = {
    "mappings/issue.yaml": (
        "mapping: issue\nextends: github-issue\nconnection: github\nfields:\n"
        "  title: {from: $.title, RULE}\n"
    )
}


def ruled(rule: str) -> Mapping[str, str]:
    return {file: text.replace("RULE", rule) for file, text in RULED.items()}


def both_edited(make: MakeWorld, github: GithubSandbox, rule: str) -> tuple[World, list[Any]]:
    world = make({"github": github}, ruled(rule))
    number = github.open_issue("Wire it")
    world.settle()
    world.edit(world.task["id"], title="Ours")
    github.edit_issue(number, title="Theirs")
    return world, planned(world)[1]


def test_a_conflict_is_shown_with_both_values(make: MakeWorld, github: GithubSandbox) -> None:
    _, found = both_edited(make, github, "conflict: review")
    record = next(one for one in found if isinstance(one, RecordPlan))
    (conflict,) = record.conflicts
    assert (conflict.name, conflict.ours, conflict.theirs) == ("title", "Ours", "Theirs")
    assert "mappings/issue.yaml:5" in conflict.at


def test_the_side_that_wins_is_named_with_the_words_of_the_mapping(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world, found = both_edited(make, github, "system_of_record: github")
    record = next(one for one in found if isinstance(one, RecordPlan))
    (field,) = record.fields
    assert (field.before, field.after) == ("Ours", "Theirs")
    assert field.why == "changed on both sides; github holds by system_of_record: github"
    world.settle()
    assert world.task["title"] == "Theirs"


def test_ours_is_written_over_theirs_where_the_mapping_says_so(
    make: MakeWorld, github: GithubSandbox
) -> None:
    _, found = both_edited(make, github, "conflict: ours")
    writes = [one for one in found if isinstance(one, WritePlan)]
    assert {"title": ("Theirs", "Ours")} in [one.fields for one in writes]


def test_a_field_that_cannot_be_mapped_is_a_problem_with_its_raw_value(
    make: MakeWorld, github: GithubSandbox
) -> None:
    files = {
        "mappings/issue.yaml": (
            "mapping: issue\nextends: github-issue\nconnection: github\nfields:\n"
            "  due: {from: $.title, as: date, direction: in}\n"
        )
    }
    world = make({"github": github}, files)
    github.open_issue("someday")
    planning, found = planned(world)
    record = the(RecordPlan, found)
    (problem,) = record.problems
    assert (problem.field, problem.raw, record.here) == ("due", "someday", "create")
    assert "mappings/issue.yaml:5" in problem.message
    assert planning.counts["problems"] == 1


def test_a_comment_finds_its_task_among_the_pages_before(
    world: World, github: GithubSandbox
) -> None:
    """Those were undone; the comments on them are created all the same."""
    number = github.open_issue("Wire it")
    github.comment(number, "As agreed.")
    planning, found = planned(world)
    assert [one.entity_type for one in found if isinstance(one, RecordPlan)] == ["task", "comment"]
    assert planning.counts["create here"] == 2
    assert "waiting for their parent" not in planning.counts


def test_what_rules_would_do_is_part_of_the_plan(make: MakeWorld, github: GithubSandbox) -> None:
    files = {
        "rules/new.yaml": (
            "rules:\n  - rule: greet\n    when: task.created\n    if: \"task.title == 'Deal'\"\n"
            "    then:\n      - start_case: {process: deal, title: Won}\n"
        ),
        "processes/deal.yaml": (
            "process: deal\ntitle: One deal\naccountable: dana\nsteps:\n"
            "  wire: {title: Wire it, responsible: lee, connection: github}\n"
        ),
    }
    world = make({"github": github}, files)
    github.open_issue("Deal")
    _, found = planned(world)
    started = [one for one in found if isinstance(one, FollowUp) and one.type == "case.started"]
    assert [(one.subject, one.rule) for one in started] == [("'Won'", "greet (rules/new.yaml:2:5)")]
    assert [one.title for one in found if isinstance(one, WritePlan)] == ["Wire it"]
    assert world.all(t.cases) == []


def test_only_so_many_records_are_looked_at(world: World, github: GithubSandbox) -> None:
    for number in range(5):
        github.open_issue(f"Issue {number}")
    planning, _ = planned(world, limit=2)
    assert planning.counts["seen"] == 2
    assert planning.cut == {"issue"}


def test_one_record_that_breaks_the_hub_does_not_hide_the_others(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.flow import arrive as stage

    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("a bug of ours")

    for number in range(3):
        github.open_issue(f"Issue {number}")
    real = stage.first_contact

    def sometimes(unit: Any, batch: Any, arrival: Any, mapped: Any) -> Any:
        return (broken if arrival.record.data["title"] == "Issue 1" else real)(
            unit, batch, arrival, mapped
        )

    monkeypatch.setattr(stage, "first_contact", sometimes)
    planning, found = planned(world)
    assert planning.counts["create here"] == 2
    assert planning.counts["seen"] == 3
    assert any("a bug of ours" in one.problems[0].message for one in found if one.problems)


def test_files_that_are_not_in_force_are_planned_with_their_own_people(
    world: World, github: GithubSandbox
) -> None:
    """A person who is in the files only can be assigned, and is not there afterwards."""
    httpx.post(
        f"{github.url}/repos/acme/ops/issues",
        headers={"Authorization": f"Bearer {github.env()['HUB_SANDBOX_GITHUB_TOKEN']}"},
        json={"title": "For Kim", "assignees": ["lkim"]},
        timeout=10,
    ).raise_for_status()
    people = "people:\n  kim: {name: Kim New}\nidentities: {github: {kim: lkim}}\n"
    loaded = load({**world.files, "people.yaml": people}, CONNECTORS, world.env)
    assert loaded.workspace is not None, loaded.findings
    snapshot = world.hub.live.snapshot_of(1, loaded.workspace, {}, {})
    planning = Planning(world.hub, snapshot, "github", unapplied=True)
    found = list(planning.run(["issue"], lambda object, seen: None))
    snapshot.close()
    record = the(RecordPlan, found)
    assert {one.name: one.after for one in record.fields}["assignee"] == "Kim New"
    assert "kim" not in {row["person"] for row in world.all(t.parties)}


def test_a_rehearsal_cannot_be_committed(world: World) -> None:
    with (
        pytest.raises(RuntimeError, match="never committed"),
        world.hub.database.rehearse() as tx,
    ):
        tx.commit()


@pytest.mark.parametrize(
    ("rule", "kept", "lost"), [("ours", "Ours", "Theirs"), ("theirs", "Theirs", "Ours")]
)
def test_the_value_that_lost_is_kept_in_the_history_with_the_rule(
    make: MakeWorld, github: GithubSandbox, rule: str, kept: str, lost: str
) -> None:
    world, _ = both_edited(make, github, f"conflict: {rule}")
    world.settle()
    assert world.task["title"] == kept
    with world.hub.database.read() as tx:
        told = explain(tx, world.task["id"], "title")
    (ruling,) = [entry["rulings"]["title"] for entry in told if entry["rulings"]]
    assert (ruling["holds"], ruling["rule"]) == (rule, f"conflict: {rule}")
    assert ruling["theirs" if rule == "ours" else "ours"] == lost
