"""Typing what steers cases: rest, end, a step by hand, moving all of a process to its newest
version; and the examples in process files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hub.cli.conftest import Run

Read = Callable[..., Any]

FIRST = """\
process: deal
accountable: dana
steps:
  a: {title: A}
  paid: {type: wait, title: Paid, event: item.*, key: "${item.title}"}
"""
SECOND = """\
process: deal
accountable: dana
steps:
  a: {title: A, type: milestone}
  paid: {type: wait, title: Paid, event: item.*, key: "${item.title}"}
  b: {title: B, after: [paid]}
"""
TESTED = """\
tests:
  - name: paid in the end
    given: {key: A1}
    happens:
      - done: a
      - event: {type: item.created}
        item: {title: A1}
    expect: {completed: [a, paid], status: completed}
  - happens: [{done: a}]
    expect: {active: []}
"""


@pytest.fixture
def deal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one process, in force."""
    folder = tmp_path / "ops"
    (folder / "processes").mkdir(parents=True)
    (folder / "hub.yaml").write_text("name: ops\n")
    (folder / "people.yaml").write_text("people: {dana: {name: Dana, email: dana@acme.test}}\n")
    (folder / "processes" / "deal.yaml").write_text(FIRST)
    monkeypatch.setenv("HUB_WORKSPACE", str(folder))
    run("apply")
    return folder


def start(title: str = "Acme") -> str:
    from hub.cli.session import opened
    from hub.process import cases

    with opened() as hub, hub.unit() as unit:
        return cases.start(unit, "deal", title=title)[0]


def test_a_case_rests_goes_on_and_is_ended(run: Run, read: Read, deal: Path) -> None:
    id = start()
    assert "suspended" in run("cases", "suspend", id, "--reason", "a pause").stdout
    assert read("cases", "resume", id)["status"] == "active"
    assert "cannot resume" in run("cases", "resume", id, code=1).stderr
    run("cases", "skip", id, "paid", "--reason", "free of charge")
    assert "by its task" in run("cases", "complete", id, "a", "--reason", "x", code=1).stderr
    assert "withdrew" in run("cases", "terminate", id, "--reason", "withdrew").stdout


def test_cases_move_to_the_newest_version_or_say_why_not(run: Run, read: Read, deal: Path) -> None:
    one, other = start("One"), start("Other")
    assert "newest version" in run("migrate-cases", "deal").output
    run("cases", "skip", other, "paid", "--reason", "x")
    (deal / "processes" / "deal.yaml").write_text(SECOND)
    run("apply")
    told = read("migrate-cases", "deal", "--dry-run", code=1)
    assert [(move["case"], move["added"], move["moved"]) for move in told] == [
        (one, ["b"], False),
        (other, ["b"], False),
    ]
    assert "active as a task" in told[0]["problems"][0]
    (deal / "processes" / "deal.yaml").write_text(SECOND.replace(", type: milestone", ""))
    run("apply")
    moved = read("migrate-cases", "deal", "--case", other)
    assert [(move["case"], move["moved"]) for move in moved] == [(other, True)]
    assert read("migrate-cases", "deal")[0]["case"] == one
    assert {step["key"]: step["status"] for step in read("cases", "show", other)["steps"]}[
        "b"
    ] == "active"
    assert "no process 'dael'" in run("migrate-cases", "dael", code=1).stderr


def test_the_examples_of_a_process_are_played(run: Run, deal: Path) -> None:
    file = deal / "processes" / "deal.yaml"
    file.write_text(FIRST + TESTED)
    said = run("test", deal, code=1)
    assert "expected active: nothing; it is paid." in said.stdout + said.stderr
    assert "processes/deal.yaml:15:" in said.stdout + said.stderr
    file.write_text(FIRST + TESTED.replace("active: []", "active: [paid]"))
    run("test", deal)
