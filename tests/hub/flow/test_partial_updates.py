"""An update carries the fields that changed and nothing else: what stands beside them survives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Change
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World


def listen(world: World, connection: str, monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """What the connector is told to write from now on."""
    connector: Any = type(world.hub.live.current().connector(connection))
    push, told = connector.push, []

    def noted(self: Any, changes: Any) -> Any:
        told.extend(changes)
        return push(self, changes)

    monkeypatch.setattr(connector, "push", noted)
    return told


@pytest.mark.parametrize(
    ("edit", "fields"),
    [
        ({"title": "Two"}, {"title": "Two"}),
        ({"description": "More"}, {"body": "More"}),
        ({"status": "done"}, {"state": "closed"}),
        ({"labels": ["ops", "new"]}, {"labels": ["ops", "new"]}),
        ({"assignee": "lee"}, {"assignee": "lkim"}),
        ({"assignee": None}, {"assignee": None}),
        ({"title": "Two", "status": "done"}, {"title": "Two", "state": "closed"}),
        ({"title": "One"}, None),
        ({"due": {"date": "2026-03-29"}}, None),  # the mapping only reads it
        ({"priority": "high"}, None),  # the mapping does not speak of it
    ],
)
def test_an_update_carries_exactly_what_changed(
    world: World,
    github: GithubSandbox,
    monkeypatch: pytest.MonkeyPatch,
    edit: dict[str, Any],
    fields: Mapping[str, Any] | None,
) -> None:
    number = github.open_issue("One", labels=["ops"])
    github.edit_issue(number, assignees=["dmeier", "octocat"], body="As it was.")
    world.settle()
    before = github.issue(number)
    told = listen(world, "github", monkeypatch)
    if edit.get("assignee"):
        edit = {**edit, "assignee": world.party(edit["assignee"])}
    world.edit(world.task["id"], **edit)
    world.settle()
    assert [dict(one.fields) for one in told] == ([] if fields is None else [fields])
    after = github.issue(number)
    untouched = {"title", "body", "state", "labels", "milestone"} - set(fields or ())
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}
    others = {user["login"] for user in after["assignees"]}
    assert "octocat" in others


@pytest.mark.parametrize(
    ("edited", "value"), [("custom.own.b", 5), ("custom.own", {"a": 1, "b": 5})]
)
def test_a_nested_field_goes_alone_and_its_siblings_are_not_sent(
    make: MakeWorld,
    github: GithubSandbox,
    monkeypatch: pytest.MonkeyPatch,
    edited: str,
    value: Any,
) -> None:
    """Two fields beneath one object of the tool's: one changed, one is written. So here."""
    fields = "fields:\n  custom.own.a: $.meta.a\n  custom.own.b: $.meta.b.c\n"
    head = "mapping: issue\nextends: github-issue\nconnection: github\n"
    world = make({"github": github}, {"mappings/issue.yaml": head + fields})
    github.open_issue("One")
    world.settle()
    with world.hub.database.write() as tx:
        [link] = world.links()
        meta = {"a": 1, "b": {"c": 2, "d": 3}}
        tx.execute(
            t.links.update().values(
                data={**link["data"], "meta": meta},
                hub_base={**link["hub_base"], "custom.own.a": 1, "custom.own.b": 2},
            )
        )
        tx.execute(t.tasks.update().values(custom={"own": {"a": 1, "b": 2}}))
    told = listen(world, "github", monkeypatch)
    world.edit(world.task["id"], **{edited: value})
    world.work()
    assert world.task["custom"] == {"own": {"a": 1, "b": 5}}
    assert [dict(one.fields) for one in told] == [{"meta": {"b": {"c": 5}}}]
    assert told[0].base is not None
    assert told[0].base["meta"] == {"a": 1, "b": {"c": 2, "d": 3}}


def test_a_cell_is_written_and_the_cells_beside_it_stay(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """Also a cell that somebody changes in the meantime."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="One", Status="Open", Notes="theirs")
    world.settle()
    tracker.edit("R1", Notes="theirs, newer")
    world.edit(world.task["id"], title="Ours")
    world.settle()
    row = tracker.row("R1")
    assert (row["Title"], row["Notes"], row["Status"]) == ("Ours", "theirs, newer", "Open")
    assert world.task["description"] == "theirs, newer"
