"""Why a value is what it is, in the words of the command line and of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from connectors.github.sandbox import GithubSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub import identity
from hub.api.app import create_api
from hub.api.stream import Stream
from hub.cli import app
from hub.flow import change
from hub.flow.merging import merge_entities
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import PEOPLE, World

Row = dict[str, Any]
Told = tuple[str, Row]
Explain = Callable[..., Told]
RULED = (
    "mapping: issue\nextends: github-issue\nconnection: github\nfields:\n"
    "  title: {from: $.title, RULE}\n"
)
RULES = """
rules:
  - rule: hurry
    when: task.created
    if: "'vip' in task.labels"
    then:
      - update_task: {priority: urgent}
"""


@pytest.fixture
def explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """What `hub explain` prints of a field of a task, and what the API answers."""

    tokens: list[str] = []

    def told(world: World, field: str, id: str | None = None) -> Told:
        id = id or str(world.task["id"])
        settings = world.hub.settings
        monkeypatch.setenv("HUB_WORKSPACE", str(tmp_path))
        monkeypatch.setenv("HUB_DATABASE_URL", settings.database_url)
        monkeypatch.setenv("HUB_SECRET_KEY", "a-key-of-tests-that-is-long-enough")
        for name, value in world.env.items():
            monkeypatch.setenv(name, value)
        said = CliRunner().invoke(app, ["explain", id, field])
        assert said.exit_code == 0, said.output
        number = len(tokens)
        _, token = identity.create_token(world.hub, "member", f"reader {number}")
        tokens.append(token)
        with TestClient(create_api(world.hub, Stream())) as client:
            answer = client.get(
                f"/api/v1/tasks/{id}/explain",
                params={"field": field},
                headers={"Authorization": f"Bearer {token}"},
            )
        assert answer.status_code == 200, answer.text
        return said.stdout, answer.json()

    return told


def both_edited(make: MakeWorld, github: GithubSandbox, rule: str) -> World:
    world = make({"github": github}, {"mappings/issue.yaml": RULED.replace("RULE", rule)})
    number = github.open_issue("Wire it")
    world.settle(1)
    world.edit(world.task["id"], title="Ours")
    github.state.clock = lambda: datetime.now(UTC) + timedelta(minutes=5)
    github.edit_issue(number, title="Theirs")
    world.settle(2)
    return world


def test_a_value_that_came_from_a_tool(
    world: World, github: GithubSandbox, explain: Explain
) -> None:
    number = github.open_issue("Wire it")
    world.settle(1)
    github.edit_issue(number, title="Wire it now")
    world.settle(1)
    said, answer = explain(world, "title")
    assert "title of 'Wire it now' is Wire it now" in said
    assert "Wire it → Wire it now   mapped at connectors/github/mappings/issue.yaml:" in said
    assert "| title: $.title" in said
    assert "because of pull pul_" in said
    newest = answer["chain"][0]
    assert newest["value"] == {"before": "Wire it", "after": "Wire it now"}
    assert newest["lines"]["title"] == ["title: $.title"]
    assert newest["because"][0]["kind"] == "pull"


@pytest.mark.parametrize(
    ("rule", "kept", "words"),
    [
        ("system_of_record: github", "Theirs", "theirs holds by system_of_record: github; ours"),
        ("conflict: newest", "Theirs", "theirs holds by conflict: newest; ours"),
        ("conflict: ours", "Ours", "ours holds by conflict: ours; theirs"),
    ],
)
def test_a_side_that_won_by_a_rule(
    make: MakeWorld, github: GithubSandbox, explain: Explain, rule: str, kept: str, words: str
) -> None:
    world = both_edited(make, github, rule)
    lost = "Ours" if kept == "Theirs" else "Theirs"
    said, answer = explain(world, "title")
    assert f"title of '{kept}' is {kept}" in said
    assert f"title was changed on both sides: {words} was {lost}" in said
    assert "mappings/issue.yaml:5" in said
    [ruling] = [one["rulings"]["title"] for one in answer["chain"] if one["rulings"]]
    assert ruling["rule"] == rule
    assert {ruling["ours"], ruling["theirs"]} == {"Ours", "Theirs"}
    if kept == "Ours":  # and it was written back
        assert github.issue(1)["title"] == "Ours"
        assert answer["tools"][0]["raw"] == "Ours"
        assert "github issue " in said


@pytest.mark.parametrize(
    ("choice", "lost"),
    [
        ("ours", {"theirs": "Theirs"}),
        ("theirs", {"ours": "Ours"}),
        ("Both", {"ours": "Ours", "theirs": "Theirs"}),
    ],
)
def test_a_conflict_that_a_person_settled(
    make: MakeWorld, github: GithubSandbox, explain: Explain, choice: str, lost: Row
) -> None:
    world = both_edited(make, github, "conflict: review")
    said, answer = explain(world, "title")
    assert '! title is under review: here "Ours", in github "Theirs"' in said
    [held] = answer["held"]
    assert (held["ours"], held["theirs"]) == ("Ours", "Theirs")
    [conflict] = world.exceptions()
    dana = {"kind": "person", "id": world.party("dana"), "name": "Dana Meier"}
    with world.hub.unit() as unit:
        settling.resolve(unit, conflict["id"], dana, choice=settling.Choice(choice))
    world.settle(1)
    said, answer = explain(world, "title")
    assert answer["held"] == []
    [over] = answer["settled"]
    assert over["lost"] == lost
    assert over["by"]["name"] == "Dana Meier"
    assert over["chosen"] == choice
    assert over["at"].startswith("20")
    assert f"title was settled by Dana Meier (person): title: {choice}" in said
    for side, value in lost.items():
        where = "here" if side == "ours" else "in github"
        assert f"not chosen: {where} {value}" in said


def test_a_value_that_a_rule_gave(make: MakeWorld, github: GithubSandbox, explain: Explain) -> None:
    world = make({"github": github}, {"rules/hurry.yaml": RULES})
    github.open_issue("Wire it", labels=["vip"])
    world.settle(1)
    said, answer = explain(world, "priority")
    assert "→ urgent" in said
    assert "because of task.created" in said
    assert "rule hurry at rules/hurry.yaml:3:5" in said
    [change] = answer["chain"]
    assert change["because"][0]["rules"] == [{"rule": "hurry", "at": "rules/hurry.yaml:3:5"}]


def test_a_field_that_is_kept_aside(
    make: MakeWorld, github: GithubSandbox, explain: Explain
) -> None:
    files = {
        "mappings/issue.yaml": (
            "mapping: issue\nextends: github-issue\nconnection: github\nfields:\n"
            "  due: {from: $.title, as: date, direction: in}\n"
        )
    }
    world = make({"github": github}, files)
    github.open_issue("someday")
    world.settle(1)
    said, answer = explain(world, "due")
    assert '! due is kept aside from github: "someday"' in said
    assert "at mappings/issue.yaml:5" in said
    assert "= no value:" in said
    [held] = answer["held"]
    assert (held["raw"], held["connection"]) == ("someday", "github")


def test_a_queue_that_stands_for_somebody_without_an_account(
    make: MakeWorld, github: GithubSandbox, explain: Explain
) -> None:
    people = {
        **PEOPLE,
        "identities": {"github": {"dana": "dmeier"}},
        "fallback": {"github": "lkim"},
    }
    world = make({"github": github}, {"people.yaml": yaml.safe_dump(people)})
    world.create("github", title="Ours", assignee=world.party("lee"))
    world.settle(3)
    assert github.issue(1)["assignee"]["login"] == "lkim"
    said, answer = explain(world, "assignee")
    assert "= the queue there, for Lee Kim, who has no account there" in said
    [tool] = answer["tools"]
    assert tool["stands_for"] == "Lee Kim"
    assert answer["value"]["id"] == world.party("lee")


def test_a_duplicate_that_was_merged_into_it(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox, explain: Explain
) -> None:
    world = make({"github": github, "tracker": tracker})
    github.open_issue("Wire it")
    tracker.edit("R1", Title="Wire it, please", Status="Open", Due="2026-03-04")
    world.settle(1)
    by_title = {row["title"]: row["id"] for row in world.tasks()}
    with world.hub.unit() as unit:
        merge_entities(unit, "task", by_title["Wire it, please"], by_title["Wire it"])
    world.settle(1)
    said, answer = explain(world, "due")
    assert "task.merged" in said
    assert "'Wire it, please' (tsk_" in said
    assert "was merged into it" in said
    assert "connectors/spreadsheet/mappings/row.yaml:" in said, "where the value came from first"
    types = [one["event"]["type"] for one in answer["chain"]]
    assert types[-1] == "task.created"
    assert "task.merged" in types


def test_a_record_that_moved(make: MakeWorld, github: GithubSandbox, explain: Explain) -> None:
    world = make({"github": github})
    number = github.open_issue("Wire it")
    world.settle(1)
    [link] = world.links()
    with world.hub.unit() as unit:
        unit.emit(
            "link.moved",
            link["entity_id"],
            data={"connection": "github", "object": "issue", "external_id": "77",
                  "former_id": link["external_id"]},
        )  # fmt: skip
    github.edit_issue(number, title="Wire it now")
    world.settle(1)
    said, answer = explain(world, "title")
    assert f"its record is now github issue 77, and was {link['external_id']}" in said
    types = [one["event"]["type"] for one in answer["chain"]]
    assert types == ["task.updated", "link.moved", "task.created"]


def test_the_last_write_to_each_tool_is_named(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox, explain: Explain
) -> None:
    """Which push, when, to which record, and what was written; writes of other fields are none."""
    world = make({"github": github, "tracker": tracker})
    id = world.create("github", title="First")
    with world.hub.unit() as unit:
        assert change.mirror(unit, "task", work.load(unit.tx, "task", [id])[id], "tracker")
    world.settle(2)
    before, answer = explain(world, "title")
    assert {one["value"] for one in answer["written"]} == {"First"}
    assert {one["op"] for one in answer["written"]} == {"create"}
    world.edit(id, title="Second")
    world.settle(2)
    world.edit(id, status="done")
    world.settle(2)
    said, answer = explain(world, "title")
    sent = {
        row["connection"]: row
        for row in world.pushes()
        if row["op"] == "update" and "title" in row["fields"]
    }
    assert sent.keys() == {"github", "tracker"}
    for one in answer["written"]:
        push = sent[one["connection"]]
        assert (one["push"], one["external_id"]) == (push["id"], push["external_id"])
        assert (one["op"], one["value"]) == ("update", "Second")
        assert datetime.fromisoformat(one["at"]) == push["sent_at"]
        record = f"{one['connection']} {one['object']} {one['external_id']}"
        assert f"last written to {record}: Second  ({push['id']})" in said
    assert before.count("last written to") == said.count("last written to") == 2


def test_a_person_who_was_written_is_named_and_so_is_the_queue_for_them(
    world: World, github: GithubSandbox, explain: Explain
) -> None:
    known = {"identities": {"github": {"dana": "dmeier"}}, "fallback": {"github": "lkim"}}
    world.apply({"people.yaml": yaml.safe_dump({**PEOPLE, **known})})
    id = world.create("github", title="Ours", assignee=world.party("lee"))
    world.settle(2)
    lee = world.hub.live.current().people_by_id[world.party("lee")]["name"]
    said, answer = explain(world, "assignee", id)
    [one] = answer["written"]
    assert (one["value"], one["queued"]) == (world.party("lee"), "lkim")
    assert f": {lee}, with the queue lkim in their place  ({one['push']})" in said
