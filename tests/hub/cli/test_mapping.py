"""`hub mapping`: what is mapped, a copy to change, and a first draft."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from hub.cli.session import opened
from hub.store import inbox
from mappings.language import load_mapping
from webhooks.inbox import Incoming

Run = Callable[..., Result]
Read = Callable[..., Any]
ISSUE = {"title": "Too slow", "body": "Since Monday.", "state": "open", "assignee": None,
         "labels": [{"name": "vip"}], "milestone": None, "prio": "P1"}  # fmt: skip


@pytest.fixture
def issue(tmp_path: Path) -> Path:
    file = tmp_path / "issue.json"
    file.write_text(json.dumps(ISSUE))
    return file


# ---------------------------------------------------------------------------- list, show, eject


def test_list_names_every_object_and_the_file_that_maps_it(connected: Path, read: Read) -> None:
    rows = {(row["connection"], row["object"]): row for row in read("mapping", "list")}
    assert rows[("github", "issue")]["mapping"] == "github-issue"
    assert rows[("github", "issue")]["file"] == "connectors/github/mappings/issue.yaml"
    assert rows[("github", "issue")]["entity"] == "task"
    assert rows[("github", "issue")]["extends"] is None
    assert rows[("github", "issue")]["fields"] > 4
    assert rows[("github", "issue")]["examples"] == 1


def test_list_shows_an_object_that_nothing_maps(
    workspace: Path, run: Run, read: Read, tmp_path: Path
) -> None:
    connect_mail(workspace)
    (row,) = read("mapping", "list", "--connection", "mail")
    assert (row["object"], row["mapping"]) == ("message", None)
    assert "message" in run("mapping").stdout


def connect_mail(workspace: Path) -> None:
    block = {"connector": "email", "from_address": "hub@acme.test",
             "smtp": {"host": "mail.acme.test"}}  # fmt: skip
    file = workspace / "hub.yaml"
    head = file.read_text().split("connections: {}")[0]
    file.write_text(head + yaml.safe_dump({"connections": {"mail": block}}))


def test_show_prints_the_file_as_it_is_written(connected: Path, run: Run) -> None:
    shown = run("mapping", "show", "github-issue").stdout
    assert "# pull requests are listed among the issues" in shown
    assert "mapping: github-issue" in shown


def test_eject_then_change_two_fields_and_keep_the_rest(
    connected: Path, run: Run, read: Read, issue: Path
) -> None:
    run("mapping", "eject", "github-issue")
    file = connected / "mappings" / "github-issue.yaml"
    run("check")
    before = read("preview", "github-issue", "--record", issue)
    assert before["title"] == "Too slow"

    text = file.read_text()
    text = text.replace("#  title: $.title", "  title: {from: $.body, direction: in}")
    text += "  priority: {from: $.prio, values: {P1: urgent}, direction: in}\n"
    # `deletes` stands as a comment behind the fields, so what is added belongs to them
    file.write_text(text)
    run("check")
    after = read("preview", "github-issue", "--record", issue)
    assert after["title"] == "Since Monday."
    assert after["priority"] == "urgent"
    assert after["labels"] == before["labels"] == ["vip"]
    assert after["status"] == "open"

    (row,) = [one for one in read("mapping", "list") if one["object"] == "issue"]
    assert (row["file"], row["extends"]) == ("mappings/github-issue.yaml", "github-issue")
    resolved = run("mapping", "show", "github-issue", "--resolved").stdout
    lines = {line.split(":")[0].strip(): line for line in resolved.splitlines()}
    assert "mappings/github-issue.yaml:" in lines["title"]
    assert "connectors/github/mappings/issue.yaml:" in lines["labels"]
    assert load_mapping("shown.yaml", resolved)[1] == []
    fields = {one["name"]: one for one in read("mapping", "show", "github-issue")["fields"]}
    assert fields["labels"]["inherited"]
    assert not fields["title"]["inherited"]


def test_a_draft_begins_with_the_line_that_editors_look_for(
    connected: Path, run: Run, issue: Path, tmp_path: Path
) -> None:
    line = "# yaml-language-server: $schema=../.hub/schemas/mapping.json"
    for args in (("eject", "github-issue"), ("suggest", "github", "issue", "--sample", str(issue))):
        file = connected / "mappings" / f"{args[0]}.yaml"
        run("mapping", *args, "--output", str(file))
        assert file.read_text().splitlines()[0] == line
        run("check")
        file.unlink()
    assert run("mapping", *args).stdout.splitlines()[0] == line
    assert (connected / ".hub/schemas/mapping.json").is_file()

    elsewhere = tmp_path / "elsewhere.yaml"
    run("mapping", *args, "--output", str(elsewhere))
    assert "yaml-language-server" not in elsewhere.read_text()


def test_eject_overwrites_nothing_and_refuses_what_nobody_uses(connected: Path, run: Run) -> None:
    file = connected / "mine.yaml"
    file.write_text("# mine\n")
    refused = run("mapping", "eject", "github-issue", "--output", file, code=1)
    assert "is there already" in refused.stderr
    assert file.read_text() == "# mine\n"
    run("mapping", "eject", "github-issue")
    refused = run("mapping", "eject", "github-issue", code=1)
    assert "is a file of this workspace already: change mappings/" in refused.stderr
    one = run("mapping", "eject", "github-issue", "--connection", "github")
    assert "our-github-issue.yaml" in one.stdout
    run("check")
    assert "Connect a jira" in run("mapping", "eject", "jira-issue", code=1).stderr
    assert "Did you mean" in run("mapping", "show", "github-isue", code=1).stderr


# -------------------------------------------------------------------------------------- suggest


def test_a_draft_from_the_tool_passes_check_and_test_at_once(
    connected: Path, run: Run, open_issue: Any
) -> None:
    open_issue("Salary of Wilhelmina", labels=["vip"], assignees=["lkim"])
    file = connected / "mappings" / "draft.yaml"
    told = run("mapping", "suggest", "github", "issue", "--output", file)
    assert "hub check" in told.stderr
    run("check")
    assert "mapping github-issue #1" in run("test").stdout
    text = file.read_text()
    assert "status:  # 0.9" in text
    assert "Wilhelmina" not in text
    assert "lkim" not in text


def test_a_draft_is_printed_and_nothing_is_applied_or_written(connected: Path, run: Run) -> None:
    files = sorted(connected.rglob("*.yaml"))
    before = run("revisions").stdout
    shown = run("mapping", "suggest", "github", "issue")
    spec, findings = load_mapping("draft.yaml", shown.stdout)
    assert findings == []
    assert spec is not None
    assert {"title", "status", "labels"} <= spec.fields.keys()
    assert sorted(connected.rglob("*.yaml")) == files
    assert run("revisions").stdout == before
    assert "hub mapping eject github-issue" in shown.stderr


def test_a_draft_never_overwrites_a_file_unless_it_is_told_to(
    connected: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text("# mine\n")
    words = ("mapping", "suggest", "github", "issue", "--output", file)
    assert "is there already" in run(*words, code=1).stderr
    assert file.read_text() == "# mine\n"
    run(*words, "--force")
    assert "github-issue" in file.read_text()


def test_a_draft_for_programs_has_each_lines_confidence(connected: Path, read: Read) -> None:
    found = read("mapping", "suggest", "github", "issue")
    title = next(one for one in found["fields"] if one["name"] == "title")
    assert title["confidence"] > 0.8
    assert title["says"] == {"from": "$.title"}
    assert title["active"]
    assert found["entity"] == "task"


def test_records_may_come_from_a_file(connected: Path, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "issues.csv"
    table.write_text(
        "Betreff;Zuständig;Fällig am;Stand\n"
        "Vertrag prüfen;dana@acme.test;31.12.2026;offen\n"
        "Server bestellen;lee@acme.test;24.12.2026;erledigt\n"
    )
    spec, findings = load_mapping(
        "draft.yaml",
        run("mapping", "suggest", "github", "issue", "--sample", table).stdout,
    )
    assert findings == []
    assert spec is not None
    assert spec.fields["title"].sources[0].text == "$.Betreff"
    assert spec.fields["due"].transforms[0].argument == "%d.%m.%Y"
    assert spec.fields["status"].sources[0].text == "$.Stand"

    lines = tmp_path / "issues.jsonl"
    lines.write_text('{"headline": "One two"}\n{"headline": "Two three"}\n')
    shown = run("mapping", "suggest", "github", "issue", "--sample", lines).stdout
    assert "title: $.headline" in shown or "title: $.title" in shown


def test_a_sample_is_enough_where_the_tool_cannot_be_asked(
    connected: Path, run: Run, issue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUB_SANDBOX_GITHUB_TOKEN")
    shown = run("mapping", "suggest", "github", "issue", "--sample", issue)
    assert "title: $.title" in shown.stdout
    assert "was not asked for its fields" in shown.stderr
    run("mapping", "suggest", "github", "issue", code=1)


def test_wrong_names_are_told_with_the_right_ones(connected: Path, run: Run) -> None:
    assert "Did you mean 'issue'" in run("mapping", "suggest", "github", "isue", code=1).stderr
    assert "Did you mean 'github'" in run("mapping", "suggest", "githob", "issue", code=1).stderr
    words = ("mapping", "suggest", "github", "issue", "--entity", "tsk")
    assert "task, item, party, comment" in run(*words, code=2).stderr


def test_hostile_names_in_a_sample_reach_neither_the_file_nor_the_terminal(
    connected: Path, run: Run, tmp_path: Path
) -> None:
    record = {"title": "One two", "x: {": 1, "a\nfilter: 'false'": "b", "\u001b[2Jowner": "c@d.t",
              "status": "open\ndeletes: {out: delete}", "\u202etags": ["x"]}  # fmt: skip
    file = tmp_path / "hostile.json"
    file.write_text(json.dumps([record, record]))
    shown = run("mapping", "suggest", "github", "issue", "--sample", file)
    spec, findings = load_mapping("draft.yaml", shown.stdout)
    assert findings == []
    assert spec is not None
    assert spec.filter is None
    assert spec.deletes_out == "never"
    assert all(letter.isprintable() or letter == "\n" for letter in shown.output)


def test_what_only_sends_is_drafted_from_the_deliveries_that_are_stored(
    workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    order = {"events": ["order.*"], "records": "$.data", "id": "$.id"}
    block = {"connector": "webhook", "scheme": "standard-webhooks",
             "webhook": {"secret": "env:SHOP_HOOK"}, "objects": {"order": order}}  # fmt: skip
    file = workspace / "hub.yaml"
    head = file.read_text().split("connections: {}")[0]
    file.write_text(head + yaml.safe_dump({"connections": {"shop": block}}))
    refused = run("mapping", "suggest", "shop", "order", code=1)
    assert "no delivery that holds one is stored yet" in refused.stderr
    run("apply")
    sent = {"id": 7, "name": "Big box", "total": "12.50", "currency": "EUR", "status": "paid",
             "updated_at": "2026-03-01T10:00:00Z"}  # fmt: skip
    with opened() as hub, hub.database.write() as tx:
        for number in (7, 8):
            body = json.dumps({"type": "order.paid", "data": sent | {"id": number}})
            inbox.store(
                tx,
                [
                    Incoming(
                        connection="shop",
                        delivery_id=f"d-{number}",
                        received_at=datetime.now(UTC),
                        method="POST",
                        url="http://hub.test/webhooks/shop",
                        headers={"content-type": "application/json"},
                        body=body.encode(),
                        body_hash="0" * 64,
                        verdict="verified",
                        capture=False,
                    )
                ],
            )
    draft = workspace / "mappings" / "shop-order.yaml"
    run("mapping", "suggest", "shop", "order", "--output", draft)
    spec, findings = load_mapping("draft.yaml", draft.read_text())
    assert findings == []
    assert spec is not None
    assert spec.entity == "item"
    assert spec.direction == "in"
    assert spec.fields["amount"].transforms[0].argument == "$.currency"
    assert spec.identity is None, "hub.yaml says who an order is"
    run("check")
    assert "mapping shop-order #1" in run("test").stdout
