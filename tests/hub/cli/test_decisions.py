"""Decisions of several at the command line: who is asked, voices, and handing a seat on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from hub.cli.session import opened
from hub.process import cases as moving

Run = Callable[..., Result]
Read = Callable[..., Any]

PROCESS = """\
process: credit
title: Credit
accountable: dana
steps:
  grant:
    type: decision
    title: Grant credit
    decider: [lee, dana]
    options: [approved, rejected]
    quorum: 2
"""


@pytest.fixture
def decision(workspace: Path, run: Run, read: Read) -> str:
    """The id of a decision that Lee and Dana must take alike."""
    (workspace / "processes" / "credit.yaml").write_text(PROCESS)
    run("apply")
    with opened() as hub, hub.unit() as unit:
        moving.start(unit, "credit", title="Credit for Acme")
    (found,) = read("decisions", "--open")
    return str(found["id"])


def test_voices_are_given_shown_taken_back_and_decide(decision: str, run: Run, read: Read) -> None:
    words = ("decisions", "decide", decision)
    given = run(*words, "approved", "--person", "lee", "--yes").stdout
    assert "Your voice is taken: approved. Not decided yet; asked: Dana" in given
    assert "1 of 2" in run("decisions").stdout
    assert "Lee Example (given): approved" in run("decisions", "show", decision).stdout
    run("decisions", "withdraw", decision, "--person", "lee")
    assert "0 of 2" in run("decisions").stdout
    refused = run("decisions", "withdraw", decision, "--person", "lee", code=1)
    assert "nothing to take back" in refused.stderr
    run(*words, "approved", "--person", "lee", "--yes")
    assert "Decided: approved" in run(*words, "approved", "--person", "dana", "--yes").stdout
    assert read("decisions", "show", decision)["outcome"] == "approved"


def test_a_seat_is_not_handed_to_whoever_has_one(decision: str, run: Run, read: Read) -> None:
    words = ("decisions", "delegate", decision, "--person", "lee", "--to")
    assert "one person, one voice" in run(*words, "dana", code=1).stderr
    assert "Only one of your own people" in run(*words, "nobody", code=1).stderr
    refused = run("decisions", "revoke", decision, "--person", "lee", code=1)
    assert "Nothing was handed on" in refused.stderr
    assert len(read("decisions", "list", "--mine", "lee")) == 1


def test_a_seat_is_handed_on_handed_back_and_answered_by_whom_it_was_given(
    workspace: Path, decision: str, run: Run, read: Read
) -> None:
    people = workspace / "people.yaml"
    kim = "\n  kim: {name: Kim Example, email: kim@example.com}\nroles:"
    people.write_text(people.read_text().replace("\nroles:", kim, 1))
    run("apply")
    words = ("decisions", "delegate", decision, "--person", "lee", "--to", "kim")
    assert "Asked: kim" in run(*words, "--note", "On a plane.").stderr
    (seat,) = [one for one in read("decisions", "show", decision)["seats"] if one["on_behalf_of"]]
    assert (seat["party"]["name"], seat["on_behalf_of"]["name"]) == ("Kim Example", "Lee Example")
    assert seat["note"] == "On a plane."
    run("decisions", "revoke", decision, "--person", "lee")
    assert not any(one["on_behalf_of"] for one in read("decisions", "show", decision)["seats"])
    run(*words)
    run("decisions", "decide", decision, "approved", "--person", "kim", "--yes")
    run("decisions", "decide", decision, "approved", "--person", "dana", "--yes")
    assert read("decisions", "show", decision)["outcome"] == "approved"
