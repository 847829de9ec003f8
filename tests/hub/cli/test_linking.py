"""Linking, unlinking and merging at the command line, and what a plan says of a match."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hub.cli.conftest import Run

OpenIssue = Callable[..., dict[str, Any]]
Read = Callable[..., Any]


def test_a_plan_links_and_asks_and_unlinked_records_stay_away(
    connected: Path, run: Run, read: Read, open_issue: OpenIssue
) -> None:
    """The way an ops person goes: two issues, a key, a plan, a merge."""
    open_issue("One", body="Order A-1")
    run("pull", "github")
    [one] = read("tasks")
    run("tasks", "unlink", one["id"], "github")
    [left] = read("tasks", "unlinked")
    assert left["entity_id"] == one["id"]
    run("pull", "github", "--full")
    assert [row["links"] for row in read("tasks")] == [[]]
    linked = read("tasks", "link", one["id"], "github", left["external_id"])
    assert [link["external_id"] for link in linked["links"]] == [left["external_id"]]
    assert read("tasks", "unlinked") == []
    assert "unlink it first" in run("tasks", "link", one["id"], "github", "7", code=1).stderr
    open_issue("Two", body="Order A-2")
    run("pull", "github")
    other = next(row for row in read("tasks") if row["id"] != one["id"])
    refused = run("tasks", "merge", other["id"], "--into", one["id"], code=1)
    assert "Both have a record in github" in refused.stderr
    run("tasks", "unlink", other["id"], "github")
    merged = read("tasks", "merge", other["id"], "--into", one["id"], "--person", "dana")
    assert merged["id"] == one["id"]
    assert read("tasks", "show", other["id"])["id"] == one["id"]
    run("tasks", "delete", other["id"], "--yes")
    assert [row["id"] for row in read("tasks")] == []


def test_a_plan_names_what_a_record_would_be_linked_to_before_the_files_are_applied(
    connected: Path, run: Run, read: Read, open_issue: OpenIssue
) -> None:
    open_issue("Wire the tenant")
    run("pull", "github")
    [task] = read("tasks")
    run("tasks", "unlink", task["id"], "github")
    open_issue("Wire the Tenant")
    (connected / "mappings").mkdir(exist_ok=True)
    file = connected / "mappings" / "issue.yaml"
    head = "mapping: issue\nextends: github-issue\nconnection: github\n"
    file.write_text(f"{head}match: {{by: custom.order}}\n")
    assert "nothing fills 'custom.order' here" in run("check", code=1).stderr
    file.write_text(f"{head}match: {{by: title}}\n")
    said = run("plan", "github").stdout
    assert "= here   link to task 'Wire the tenant'" in said
    assert "by title  mappings/issue.yaml:4:8" in said
    plan = read("plan", "github")
    assert plan["counts"]["link here"] == 1
    [change] = [one for one in plan["changes"] if one["op"] == "link"]
    assert (change["entity"], change["by"]) == (task["id"], "title")
    run("apply")
    run("pull", "github")
    [task] = read("tasks")
    assert len(task["links"]) == 1


def test_a_preview_says_what_a_new_record_would_be_linked_to(
    connected: Path, run: Run, read: Read, open_issue: OpenIssue
) -> None:
    """By the files as they are, applied or not; where there is no database, it says nothing."""
    open_issue("Wire the tenant")
    run("pull", "github")
    [task] = read("tasks")
    run("tasks", "unlink", task["id"], "github")
    (connected / "mappings").mkdir(exist_ok=True)
    file = connected / "mappings" / "issue.yaml"
    file.write_text("mapping: issue\nextends: github-issue\nconnection: github\n")
    record = {"number": 7, "title": "Wire the TENANT", "state": "open", "html_url": "https://x"}
    sample = connected / "one.json"
    sample.write_text(json.dumps(record))
    assert "match" not in run("preview", "issue", "--record", sample).stdout
    with file.open("a") as text:
        text.write("match: {by: title}\n")
    for _ in range(2):
        said = run("preview", "issue", "--record", sample).stdout
        told = f"by title it would be linked to the task 'Wire the tenant' ({task['id']})"
        assert told in said
        assert "mappings/issue.yaml:4:8" in said
        run("apply")
    shown = read("preview", "issue", "--record", sample, "--steps")
    assert shown["match"] == {"link": task["id"], "by": ["title"], "agrees_with": [task["id"]]}
    sample.write_text(json.dumps({**record, "title": "Another"}))
    assert "nothing here agrees" in run("preview", "issue", "--record", sample).stdout
    sample.write_text(json.dumps([{**record, "number": n} for n in range(12)]))
    assert "12 would be linked" in run("preview", "issue", "--record", sample).stderr
    shutil.rmtree(connected / ".hub")
    assert "match" not in run("preview", "issue", "--record", sample).stderr
    assert not (connected / ".hub").exists()
