"""Trying a mapping and the examples in the files, without touching anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Read = Callable[..., Any]

ISSUE = {
    "id": 1,
    "number": 7,
    "title": "Wire the tenant",
    "body": "As agreed.\nAmount: 12.50",
    "state": "open",
    "labels": [{"name": "ops"}],
    "assignee": {"login": "dmeier"},
    "milestone": {"due_on": "2026-03-01T08:00:00Z"},
    "html_url": "https://github.test/acme/ops/issues/7",
}
MAPPING = """\
mapping: github-issue
connection: github
object: issue
entity: task
filter: "!has(record.pull_request)"
direction: both
fields:
  title: $.title
  description: $.body
  status:
    from: $.state
    values: {open: open, closed: done}
    back: {in_progress: open, on_hold: open, cancelled: closed}
  due: {from: $.milestone.due_on, as: date, direction: in}
  assignee: {from: $.assignee.login, as: party, to: "$.assignees[0]"}
  labels: {from: "$.labels[*].name", to: $.labels}
  custom.amount: {from: $.body, as: [{regex: "Amount: ([0-9.]+)"}, decimal], direction: in}
tests:
  - given: samples/issue.json
    expect: {status: open, title: Wire the tenant}
"""


@pytest.fixture
def mapped(connected: Path) -> Path:
    """A workspace with a mapping of its own and a sample; its files were not applied."""
    for file, text in (
        ("mappings/github-issue.yaml", MAPPING),
        ("samples/issue.json", json.dumps(ISSUE)),
    ):
        (connected / file).parent.mkdir(exist_ok=True)
        (connected / file).write_text(text)
    return connected


# --------------------------------------------------------------------------------------- preview


def test_preview_shows_each_field_before_and_after(mapped: Path, run: Run) -> None:
    shown = run("preview", "github-issue", "--record", mapped / "samples/issue.json").stdout
    rows = {line.split()[0]: line for line in shown.splitlines()}
    assert "dmeier" in rows["assignee"]
    assert "dana" in rows["assignee"]
    assert "2026-03-01" in rows["due"]


def test_preview_prints_the_mapped_entity_as_json(mapped: Path, read: Read) -> None:
    assert read("preview", "github-issue", "--record", mapped / "samples/issue.json") == {
        "title": "Wire the tenant",
        "description": "As agreed.\nAmount: 12.50",
        "status": "open",
        "due": {"date": "2026-03-01"},
        "assignee": {
            "id": "dana",
            "kind": "person",
            "side": "internal",
            "name": "Dana Example",
            "email": "dana@example.com",
        },
        "labels": ["ops"],
        "custom": {"amount": "12.50"},
    }


def test_preview_back_shows_what_the_tool_would_be_told(mapped: Path, read: Read) -> None:
    file = mapped / "samples/issue.json"
    assert read("preview", "github-issue", "--record", file, "--back") == {
        "title": "Wire the tenant",
        "body": "As agreed.\nAmount: 12.50",
        "state": "open",
        "assignees": ["dmeier"],
        "labels": ["ops"],
    }


def test_preview_takes_the_record_from_standard_input(mapped: Path, read: Read) -> None:
    shown = read("preview", "github-issue", "--record", "-", input=json.dumps(ISSUE))
    assert shown["title"] == "Wire the tenant"


def test_preview_names_the_line_of_a_field_that_cannot_be_mapped(mapped: Path, run: Run) -> None:
    odd = json.dumps(ISSUE | {"state": "snoozed"})
    result = run("preview", "github-issue", "--record", "-", input=odd, code=1)
    assert "mappings/github-issue.yaml:10:3 error: status" in result.stderr
    assert "snoozed" in result.stdout


def test_preview_says_when_the_filter_keeps_a_record_out(mapped: Path, run: Run) -> None:
    pull_request = json.dumps(ISSUE | {"pull_request": {}})
    result = run("preview", "github-issue", "--record", "-", input=pull_request, code=1)
    assert "mappings/github-issue.yaml:5:9 error: the filter" in result.stderr


def test_preview_needs_no_workspace_for_what_a_connector_ships(read: Read) -> None:
    shown = read("preview", "github-issue", "--record", "-", input=json.dumps(ISSUE))
    assert shown["status"] == "open"


@pytest.mark.parametrize(
    ("text", "said"), [("{", "-:1:2 error: not JSON"), ("[1]", "-:1:1 error: this is not one")]
)
def test_preview_says_where_a_record_cannot_be_read(text: str, said: str, run: Run) -> None:
    result = run("preview", "github-issue", "--record", "-", input=text, code=1)
    assert said in result.stderr


def test_preview_helps_with_names(run: Run) -> None:
    shown = run("preview", "github-isue", "--record", "-", input="{}", code=1).stderr
    assert "Did you mean 'github-issue'?" in shown
    assert (
        "nowhere.json" in run("preview", "github-issue", "--record", "nowhere.json", code=1).stderr
    )


# ------------------------------------------------------------------------------------------ test


def test_the_examples_in_the_files_are_run(mapped: Path, run: Run, read: Read) -> None:
    shown = run("test").stdout
    assert "mapping github-issue #1 samples/issue.json" in shown
    found = read("test")
    assert found["failed"] == 0
    assert found["passed"] == len(found["tests"]) == 6  # of a mapping, rules, and a process


def test_a_failing_example_is_shown_at_its_line(mapped: Path, run: Run, read: Read) -> None:
    file = mapped / "mappings/github-issue.yaml"
    file.write_text(MAPPING.replace("{status: open, title", "{status: done, title"))
    result = run("test", code=1)
    assert "mappings/github-issue.yaml:19:5 error: 'status' should be 'done'" in result.stderr
    assert read("test", code=1)["failed"] == 1


def test_a_failing_rule_test_says_why_the_rule_did_not_match(workspace: Path, run: Run) -> None:
    (workspace / "rules" / "deals.yaml").write_text(
        "rules:\n  - rule: big\n    when: item.*\n    if: \"item.kind == 'deal'\"\n"
        "    then: [{raise_exception: {title: A deal}}]\n"
        "tests:\n  - given: {event: {type: item.updated}, item: {kind: order}}\n"
        "    expect: [big]\n"
    )
    result = run("test", code=1)
    assert "rules/deals.yaml:7:5 error: expected big, and no rule matched." in result.stderr
    why = "big: no match, `item.kind == 'deal'` was false: 'order' == 'deal'"
    assert f"rules/deals.yaml:4:9 {why}" in result.stderr


def test_a_workspace_with_errors_is_not_tested(workspace: Path, run: Run) -> None:
    (workspace / "hub.yaml").write_text("nme: x\n")
    assert "hub.yaml:1:1 error:" in run("test", code=1).stderr
