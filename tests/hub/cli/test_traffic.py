"""Pulling from a tool that really answers, and looking at what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from connectors.github.sandbox import GithubSandbox
from hub.cli.session import opened
from hub.flow import change
from hub.flow.deliver import deliver
from hub.store import inbox, work
from webhooks.inbox import Incoming

Run = Callable[..., Result]
Read = Callable[..., Any]
Issue = Callable[..., dict[str, Any]]
FAMILIES = ("tasks", "items", "cases", "decisions", "exceptions", "deliveries", "pushes")


# ------------------------------------------------------------------------------------------ pull


def test_pull_counts_what_came_of_each_record(
    connected: Path, open_issue: Issue, read: Read
) -> None:
    open_issue("First", assignees=["dmeier"])
    open_issue("Second", assignees=["octocat"])
    found = read("pull", "github")
    assert found["connection"] == "github"
    assert (found["seen"], found["created"], found["updated"]) == (2, 2, 0)
    assert found["exceptions"] == 1  # nobody here is octocat
    assert found["records/s"] >= 0
    assert [one["object"] for one in found["objects"]] == ["issue", "comment"]
    again = read("pull", "github", "--object", "issue", "--full")
    assert (again["seen"], again["created"], again["unchanged"]) == (2, 0, 2)


def test_pull_prints_plain_lines_where_nobody_watches(
    connected: Path, open_issue: Issue, run: Run
) -> None:
    open_issue("First")
    result = run("pull", "github", "--object", "issue")
    assert "seen: 1  created: 1" in result.stdout
    assert result.stderr == "github issue: 1 records\n"


def test_pull_fails_in_a_line_when_the_tool_does_not_let_us_in(
    connected: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_SANDBOX_GITHUB_TOKEN", "expired")
    result = run("pull", "github", code=1)
    assert "error: github/issue:" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [(("gitub",), "Did you mean 'github'?"), (("github", "--object", "isue"), "'issue'?")],
)
def test_pull_helps_with_names(
    words: tuple[str, ...], said: str, connected: Path, run: Run
) -> None:
    assert said in run("pull", *words, code=1).stderr


def test_nothing_can_be_pulled_before_anything_was_applied(workspace: Path, run: Run) -> None:
    assert "hub apply" in run("pull", "github", code=1).stderr


# -------------------------------------------------------------------------------- tasks and why


@pytest.fixture
def task(connected: Path, open_issue: Issue, read: Read) -> dict[str, Any]:
    """A task that came from an issue."""
    open_issue("Wire the tenant", assignees=["dmeier"])
    read("pull", "github")
    (found,) = read("tasks")
    assert isinstance(found, dict)
    return found


def test_tasks_are_listed_as_the_contract_has_them(task: dict[str, Any]) -> None:
    assert task["title"] == "Wire the tenant"
    assert task["assignee"]["name"] == "Dana Example"
    assert task["links"][0]["connection"] == "github"


def test_tasks_are_narrowed_by_filters(task: dict[str, Any], read: Read, run: Run) -> None:
    for words, count in {
        "--status open": 1,
        "--status done": 0,
        "--assignee dana": 1,
        "--assignee DANA@example.com": 1,
        "--assignee lee": 0,
        "--connection github --object issue": 1,
        "-q tenant": 1,
        "--overdue": 0,
        "--waiting-on external": 0,
    }.items():
        assert len(read("tasks", "list", *words.split())) == count, words
        assert ("Wire the tenant" in run("tasks", *words.split()).stdout) == bool(count)


def test_a_person_nobody_knows_is_no_filter(task: dict[str, Any], run: Run) -> None:
    assert "Did you mean 'dana'?" in run("tasks", "--assignee", "danna", code=1).stderr


def test_one_task_is_shown_with_its_links(task: dict[str, Any], run: Run, read: Read) -> None:
    shown = run("tasks", "show", task["id"]).stdout
    assert "Wire the tenant" in shown
    assert task["links"][0]["external_id"] in shown
    assert read("tasks", "show", task["id"])["comments"] == []


def test_every_family_lists_and_says_what_is_not_there(
    workspace: Path, run: Run, read: Read
) -> None:
    run("apply")
    for family in FAMILIES:
        assert read(family) == read(family, "list") == []
        result = run(family)
        assert (result.stdout, result.stderr) == ("", f"No such {family}.\n")
        assert f"See: hub {family}" in run(family, "show", "xxx_1", code=1).stderr


def test_what_a_tool_says_cannot_command_the_terminal(
    connected: Path, open_issue: Issue, read: Read, run: Run
) -> None:
    open_issue("[red]bold[/red] \x1b[2Jgone")
    read("pull", "github")
    (task,) = read("tasks")
    for words in (("tasks",), ("tasks", "show", task["id"]), ("explain", task["id"])):
        shown = run(*words).stdout
        assert "\x1b" not in shown
        assert "[red]bold[/red]" in shown


def test_explain_leads_to_the_line_of_the_mapping(
    task: dict[str, Any], run: Run, read: Read
) -> None:
    shown = run("explain", task["id"], "title").stdout
    assert "title: - → Wire the tenant   mapped at connectors/github/mappings/issue.yaml:" in shown
    assert "because of pull pul_" in shown
    (entry,) = read("explain", task["id"], "title")
    assert entry["event"]["type"] == "task.created"
    assert "no change of 'bogus'" in run("explain", task["id"], "bogus", code=1).stderr


# ------------------------------------------------------------------------- deliveries and pushes


def test_a_delivery_is_shown_as_it_arrived_and_replayed(
    connected: Path, run: Run, read: Read
) -> None:
    body = b'{"title": "\xff"}'
    with opened() as hub, hub.database.write() as tx:
        (stored,) = inbox.store(
            tx,
            [
                Incoming(
                    connection="github",
                    delivery_id="d-1",
                    received_at=datetime.now(UTC),
                    method="POST",
                    url="http://hub.test/webhooks/github",
                    headers={"x-github-event": "issues"},
                    body=body,
                    body_hash="0" * 64,
                    verdict="verified",
                    capture=False,
                )
            ],
        )
    assert "x-github-event" in run("deliveries", "show", stored.id).stdout
    assert read("deliveries", "show", stored.id)["body_base64"] == "eyJ0aXRsZSI6ICL/In0="
    copy = read("deliveries", "replay", stored.id)
    assert copy["replay_of"] == stored.id
    assert [one["id"] for one in read("deliveries")] == [copy["id"], stored.id]
    assert "no delivery dlv_9" in run("deliveries", "replay", "dlv_9", code=1).stderr


def test_a_failed_push_is_tried_again(
    task: dict[str, Any], github: GithubSandbox, run: Run, read: Read
) -> None:
    """Refused by the tool, it waits for a person; the same row goes out again."""
    with opened() as hub:
        with hub.unit() as unit:
            row = work.load(unit.tx, "task", [task["id"]], lock=True)[task["id"]]
            change.change(unit, "task", row, {"title": "New title"})
            work.save(unit.tx, "task", [row])
        github.faults.status = [422]
        deliver(hub)
    (push,) = read("pushes", "--status", "failed")
    assert push["entity"] == task["id"]
    assert run("pushes", "show", push["id"]).stdout.startswith("id ")
    assert read("pushes", "retry", push["id"])["status"] == "pending"
    again = run("pushes", "retry", push["id"], code=1)
    assert "Only a failed or unknown push" in again.stderr
    with opened() as hub:
        deliver(hub)
    assert read("pushes", "show", push["id"])["status"] == "sent"
    assert read("exceptions") == []


# ----------------------------------------------------------------------------------- connections


def test_a_connection_is_paused_and_resumed(connected: Path, run: Run, read: Read) -> None:
    assert read("connections")[0]["status"] == "active"
    paused = read("connections", "pause", "github", "--reason", "they move house")
    assert (paused["status"], paused["reason"]) == ("paused", "they move house")
    (trouble,) = read("exceptions")
    assert "hub connections resume github" in trouble["detail"]
    run("connections", "resume", "github")
    assert read("exceptions") == []
    assert "hub connections" in run("connections", "--help").stdout


def test_a_connection_that_is_left_alone_says_so_until_it_is_checked(
    connected: Path, run: Run, read: Read
) -> None:
    from hub.flow import connections

    with opened() as hub, hub.unit() as unit:
        connections.note_trouble(unit, "github", "It answered 502.", times=5)
    (found,) = read("connections")
    assert (found["circuit"]["state"], found["circuit"]["why"]) == ("open", "It answered 502.")
    listed = run("connections")
    assert "github is not called until" in listed.stdout + listed.stderr
    assert read("connections", "check", "github")["ok"] is True
    (found,) = read("connections")
    assert found["circuit"]["state"] == "closed"
    assert read("exceptions") == []


def test_a_connection_is_checked(
    connected: Path, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "answers" in run("connections", "check", "github").stdout
    monkeypatch.setenv("HUB_SANDBOX_GITHUB_TOKEN", "expired")
    assert read("connections", "check", "github", code=1)["ok"] is False
    assert run("connections", "check", "github", code=1).stderr.startswith("error: ")


def test_a_connection_is_shown_with_what_is_pulled(connected: Path, run: Run) -> None:
    run("pull", "github")
    shown = run("connections", "show", "github").stdout
    assert "issue" in shown
    assert "comment" in shown
