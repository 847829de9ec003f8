"""What waits for a person: decisions with their evidence, and exceptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from hub.cli.session import opened
from hub.process import cases as moving
from hub.store import cases

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
    decider: lee
    options: [approved, rejected]
"""


@pytest.fixture
def decision(workspace: Path, run: Run, read: Read) -> dict[str, Any]:
    """A decision that waits for Lee."""
    (workspace / "processes" / "credit.yaml").write_text(PROCESS)
    run("apply")
    with opened() as hub, hub.unit() as unit:
        moving.start(unit, "credit", title="Credit for Acme", key="A1", data={"amount": 70000})
    (found,) = read("decisions", "--open")
    assert isinstance(found, dict)
    return found


def change_evidence(case: str) -> None:
    with opened() as hub, hub.database.write() as tx:
        row = cases.load(tx, [case], lock=True)[case]
        row["data"] = {"amount": 90000}
        cases.save(tx, row)


def test_a_decision_is_shown_with_its_evidence(
    decision: dict[str, Any], run: Run, read: Read
) -> None:
    assert decision["options"] == ["approved", "rejected"]
    shown = run("decisions", "show", decision["id"]).stdout
    assert '"amount": 70000' in shown
    assert "Lee Example" in run("decisions").stdout
    assert read("decisions", "--decider", "dana") == []


def test_the_evidence_shown_is_that_of_now(decision: dict[str, Any], read: Read) -> None:
    change_evidence(decision["case"])
    found = read("decisions", "show", decision["id"])
    assert found["evidence"]["case"]["data"] == {"amount": 90000}
    assert found["evidence_hash"] != decision["evidence_hash"]


def test_a_person_decides_after_seeing_the_evidence(
    decision: dict[str, Any], run: Run, read: Read
) -> None:
    words = ("decisions", "decide", decision["id"], "approved", "--person", "lee")
    refused = run(*words, input="n\n", code=1)
    assert '"amount": 70000' in refused.stdout
    assert read("decisions", "show", decision["id"])["outcome"] is None
    assert "Decided: approved" in run(*words, "--comment", "fine", input="y\n").stdout
    found = read("decisions", "show", decision["id"])
    assert found["outcome"] == "approved"
    assert found["channel"] == "cli"
    assert found["decided_by"]["name"] == "Lee Example"
    assert read("cases")[0]["status"] == "completed"
    assert "decided already" in run(*words, "--yes", code=1).stderr


def test_somebody_elses_decision_is_refused(decision: dict[str, Any], run: Run) -> None:
    """Dana is not Lee's deputy."""
    words = ("decisions", "decide", decision["id"], "approved", "--yes", "--person")
    assert "somebody else's" in run(*words, "dana", code=1).stderr
    assert "nobody called 'nobody'" in run(*words, "nobody", code=1).stderr


def test_wrong_words_decide_nothing(decision: dict[str, Any], run: Run, read: Read) -> None:
    words = ("decisions", "decide", decision["id"])
    assert "Options: approved" in run(*words, "maybe", "--person", "lee", code=2).stderr
    assert "--yes" in run(*words, "approved", "--person", "lee", "--json", code=2).stderr
    assert read("decisions", "--open")


def test_a_case_is_shown_with_its_steps_and_what_happened(
    decision: dict[str, Any], run: Run, read: Read
) -> None:
    shown = run("cases", "show", decision["case"]).stdout
    assert "grant" in shown
    assert "decision.requested" in shown
    found = read("cases", "show", decision["case"])
    assert found["timeline"][0]["type"] == "case.started"
    assert read("cases", "--process", "credit")[0]["id"] == decision["case"]
    assert read("cases", "--status", "completed") == []


# ------------------------------------------------------------------------------------ exceptions


@pytest.fixture
def trouble(workspace: Path, run: Run, read: Read) -> dict[str, Any]:
    """An exception that is open: a connection that was paused."""
    from hub.store.exceptions import Trouble

    run("apply")
    with opened() as hub, hub.unit() as unit:
        unit.trouble(Trouble("stalled", "Nothing moves", "Look at it.", subject="tsk_1"))
    (found,) = read("exceptions")
    assert isinstance(found, dict)
    return found


def test_an_exception_is_resolved_by_a_person(
    trouble: dict[str, Any], run: Run, read: Read
) -> None:
    words = ("exceptions", "resolve", trouble["id"], "--comment", "called them")
    found = read(*words, "--person", "dana")
    assert (found["status"], found["resolution"]) == ("resolved", "called them")
    assert read("exceptions") == []
    assert len(read("exceptions", "--status", "all")) == 1
    events = read("explain", trouble["id"])
    assert events[0]["actor"]["name"] == "Dana Example"
    assert "is resolved already" in run(*words, code=1).stderr


def test_waiving_takes_a_reason(trouble: dict[str, Any], run: Run, read: Read) -> None:
    run("exceptions", "waive", trouble["id"], code=2)
    assert "comment" in run("exceptions", "waive", trouble["id"], "--comment", " ", code=1).stderr
    assert read("exceptions", "waive", trouble["id"], "--comment", "known")["status"] == "waived"


def test_what_cannot_be_tried_again_says_so(trouble: dict[str, Any], run: Run) -> None:
    assert "nothing to try again" in run("exceptions", "retry", trouble["id"], code=1).stderr


def test_exceptions_are_narrowed_by_type(trouble: dict[str, Any], run: Run, read: Read) -> None:
    assert read("exceptions", "--type", "overdue") == []
    assert len(read("exceptions", "--type", "stalled", "--subject", "tsk_1")) == 1
    run("exceptions", "--type", "bogus", code=2)
    assert "Nothing moves" in run("exceptions", "show", trouble["id"]).stdout
