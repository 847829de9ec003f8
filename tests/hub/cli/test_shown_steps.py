"""Seeing how a value comes about: `hub preview` step by step, `hub plan`, `hub explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from connectors.github.sandbox import GithubSandbox
from tests.hub.cli.test_trying import ISSUE, MAPPING

Run = Callable[..., Result]
Read = Callable[..., Any]


@pytest.fixture
def mapped(connected: Path, run: Run) -> Path:
    """A workspace with a mapping of its own, applied."""
    (connected / "mappings").mkdir(exist_ok=True)
    (connected / "mappings/github-issue.yaml").write_text(MAPPING.partition("tests:")[0])
    (connected / "samples").mkdir(exist_ok=True)
    (connected / "samples/issue.json").write_text(json.dumps(ISSUE))
    run("apply")
    return connected


def test_each_step_stands_on_a_line_with_its_place(mapped: Path, run: Run) -> None:
    shown = run("preview", "github-issue", "--record", "samples/issue.json", "--steps").stdout
    assert 'regex: Amount: ([0-9.]+): "As agreed.\\nAmount: 12.50" → "12.50"' in shown
    assert 'value map, line open ↔ open: "open" → "open"   mappings/github-issue.yaml:' in shown
    alone = run("preview", "github-issue", "--record", "samples/issue.json", "--field", "status")
    assert alone.stdout.count("mappings/github-issue.yaml") < shown.count("mappings/github-issue")


def test_json_with_steps_has_the_entity_and_the_trace(mapped: Path, read: Read) -> None:
    told = read("preview", "github-issue", "--record", "samples/issue.json", "--steps")
    assert told["entity"]["status"] == "open"
    status = next(one for one in told["fields"] if one["field"] == "status")
    assert [step["kind"] for step in status["steps"]] == ["source", "values", "form"]
    assert (status["raw"], status["result"]) == ("open", "open")


def test_a_field_that_the_mapping_does_not_have_is_met_with_a_suggestion(
    mapped: Path, run: Run
) -> None:
    record = ("--record", "samples/issue.json")
    said = run("preview", "github-issue", *record, "--field", "statsu", code=1).stderr
    assert "no field 'statsu'. Did you mean 'status'?" in said


def test_json_lines_are_records_one_by_one_or_summed_up(mapped: Path, run: Run, read: Read) -> None:
    lines = mapped / "samples/issues.jsonl"
    lines.write_text("\n".join(json.dumps({**ISSUE, "number": n}) for n in range(2)))
    assert len(read("preview", "github-issue", "--record", lines)) == 2
    shown = run("preview", "github-issue", "--record", lines).stdout
    assert f"{lines}:2" in shown
    records = [{**ISSUE, "state": "frozen" if n % 4 == 0 else "open"} for n in range(12)]
    lines.write_text("\n".join(map(json.dumps, records)))
    result = run("preview", "github-issue", "--record", lines, code=1)
    status = next(line for line in result.stdout.splitlines() if line.startswith("status"))
    assert status.split()[1:5] == ["9", "0", "0", "3"]
    assert "'frozen' is not in the value map" in status


def test_a_record_is_read_from_the_tool(
    mapped: Path, open_issue: Callable[..., Any], run: Run, read: Read
) -> None:
    issue = open_issue("Straight from there")
    assert read("preview", "github-issue", "--id", issue["id"])["title"] == "Straight from there"
    assert "There is no issue 'x'" in run("preview", "github-issue", "--id", "x", code=1).stderr


@pytest.mark.parametrize(
    ("title", "shown"),
    [("true", '"true"'), ("7", '"7"'), ("null", '"null"'), ("-", '"-"'), ("Login", "Login")],
)
def test_a_text_that_could_be_another_kind_of_value_stands_in_quotes(
    mapped: Path, run: Run, title: str, shown: str
) -> None:
    record = mapped / "one.json"
    record.write_text(json.dumps({**ISSUE, "title": title}))
    lines = run("preview", "github-issue", "--record", record).stdout.splitlines()
    row = next(line for line in lines if line.startswith("title"))
    assert row.split()[1] == row.split()[-1] == shown


def test_one_source_of_records_must_be_named(mapped: Path, run: Run) -> None:
    assert "--delivery" in run("preview", "github-issue", code=2).stderr


def test_an_unknown_delivery_is_met_with_the_way_to_find_one(mapped: Path, run: Run) -> None:
    said = run("preview", "github-issue", "--delivery", "dlv_x", code=1).stderr
    assert "There is no delivery dlv_x. See: hub deliveries" in said


# -------------------------------------------------------------------------------------------- plan


def test_a_plan_before_the_first_sync_shows_what_would_come(
    mapped: Path, open_issue: Callable[..., Any], github: GithubSandbox, run: Run, read: Read
) -> None:
    open_issue("Wire it")
    github.faults.read_only = True
    shown = run("plan", "github", "--object", "issue").stdout
    assert "+ here   create task 'Wire it'  from github issue" in shown
    assert 'title: "Wire it"  mappings/github-issue.yaml:8:3' in shown
    assert "create here: 1" in shown
    told = read("plan", "github", "--object", "issue")
    assert [(one["side"], one["op"], one["title"]) for one in told["changes"]] == [
        ("here", "create", "Wire it")
    ]
    assert read("tasks") == []
    assert github.faults.forbidden == []


def test_a_plan_is_made_by_the_files_that_are_not_in_force_yet(
    mapped: Path, open_issue: Callable[..., Any], run: Run
) -> None:
    open_issue("Wire it")
    file = mapped / "mappings/github-issue.yaml"
    file.write_text(file.read_text().replace("title: $.title", 'title: {text: "#${record.title}"}'))
    result = run("plan", "github", "--object", "issue")
    assert "'#Wire it'" in result.stdout
    assert "hub apply puts them in force" in result.stderr
    assert "'Wire it'" in run("plan", "github", "--object", "issue", "--applied").stdout


def test_a_plan_helps_with_names(mapped: Path, run: Run) -> None:
    assert "Did you mean 'github'?" in run("plan", "gitub", code=1).stderr
    assert "Did you mean 'issue'?" in run("plan", "github", "--object", "isue", code=1).stderr


# ----------------------------------------------------------------------------------------- explain


def test_a_value_is_explained_by_the_tools_own_name_for_the_record(
    mapped: Path, open_issue: Callable[..., Any], run: Run
) -> None:
    """Down to the text of the mapping's line, and each step of what the tool says now."""
    issue = open_issue("Wire it")
    run("pull", "github", "--object", "issue")
    shown = run("explain", f"github:{issue['id']}", "status").stdout
    assert "status of 'Wire it' is open" in shown
    assert "        |   values: {open: open, closed: done}" in shown
    assert 'open ↔ open: "open" → "open"' in shown
    assert (
        "no change of 'statsu'" in run("explain", f"github:{issue['id']}", "statsu", code=1).stderr
    )
    assert "Linked are: github" in run("explain", "gitlab:1", code=1).stderr


def test_what_is_kept_aside_is_shown_with_its_raw_value_and_place(
    mapped: Path, open_issue: Callable[..., Any], run: Run
) -> None:
    file = mapped / "mappings/github-issue.yaml"
    file.write_text(file.read_text().replace("$.milestone.due_on", "$.title"))
    run("apply")
    issue = open_issue("someday")
    run("pull", "github", "--object", "issue")
    shown = run("explain", f"github:{issue['id']}", "due").stdout
    assert '! due is kept aside from github: "someday" ($.title) at mappings/' in shown
    assert "✗" in shown
