"""From an empty folder to a workspace in force, and back again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from connectors.github.sandbox import GithubSandbox

Run = Callable[..., Result]
Read = Callable[..., Any]


def change(workspace: Path, old: str, new: str, file: str = "hub.yaml") -> None:
    path = workspace / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# ------------------------------------------------------------------------------------- beginning


def test_a_starter_workspace_passes_its_check(workspace: Path, run: Run) -> None:
    result = run("check")
    assert "is fine" in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_init_writes_over_nothing(workspace: Path, run: Run) -> None:
    before = (workspace / "hub.yaml").read_text()
    assert "exists already" in run("init", workspace, code=1).stderr
    assert (workspace / "hub.yaml").read_text() == before


def test_a_folder_without_a_workspace_is_left_alone(tmp_path: Path, run: Run) -> None:
    """A listing in the wrong folder says what to do and makes no files there."""
    result = run("tasks", code=1)
    assert "hub init" in result.stderr
    assert not list(Path().iterdir())


def test_the_workspace_can_be_named_in_three_ways(
    workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUB_WORKSPACE")
    run("apply", workspace)
    run("--workspace", workspace, "tasks")
    run("tasks", code=1)
    monkeypatch.chdir(workspace)
    run("tasks")


# ----------------------------------------------------------------------------------------- check

BROKEN: dict[str, tuple[str, str, str]] = {
    "syntax": ("hub.yaml", "name: a\ncalendar: [\n", "not valid YAML"),
    "unknown key": ("hub.yaml", "name: a\ntimezon: UTC\n", "Did you mean 'timezone'?"),
    "duplicate key": ("hub.yaml", "name: a\nname: b\n", "Remove one"),
    "type": ("hub.yaml", "name: a\nconnections: [x]\n", "mapping"),
    "unknown connector": (
        "hub.yaml", "name: a\nconnections:\n  gh: {connector: githb}\n", "Did you mean 'github'?",
    ),
    "secret in a file": (
        "hub.yaml",
        "name: a\nconnections:\n  gh:\n    connector: github\n    repositories: [a/b]\n"
        "    auth: {token: ghp_1234}\n    webhook: {unsigned: true}\n",
        "hub secret set",
    ),
    "unknown person": ("people.yaml", "people:\n  dana: {name: D}\nroles: {lead: [dan]}\n", "dana"),
    "unquoted condition": (
        "rules/a.yaml",
        "rules:\n  - rule: a\n    when: task.created\n    if: !has(task.due)\n    then: []\n",
        "quote",
    ),
    "wrong condition": (
        "rules/a.yaml",
        "rules:\n  - rule: a\n    when: task.created\n    if: \"taks.title == 'x'\"\n"
        "    then: [{notify: {to: 'external:a@b.test', text: x}}]\n",
        "Did you mean 'task'?",
    ),
    "unreachable rule": (
        "rules/a.yaml",
        "rules:\n  - rule: a\n    when: task.creatd\n    then: []\n",
        "Did you mean 'task.created'?",
    ),
    "cycle": (
        "processes/a.yaml",
        "process: a\ntitle: A\naccountable: dana\nsteps:\n"
        "  one: {title: 1, after: [two], responsible: dana}\n"
        "  two: {title: 2, after: [one], responsible: dana}\n",
        "after",
    ),
    "mapping": (
        "mappings/a.yaml",
        "mapping: a\nconnector: github\nobject: issue\nentity: task\nfields: {titel: $.title}\n",
        "Did you mean 'title'?",
    ),
    "no way back": (
        "mappings/a.yaml",
        "mapping: a\nconnector: github\nobject: issue\nentity: task\nfields:\n  title: $.title\n"
        "  status: {from: $.state, values: {open: open, new: open, closed: done}}\n",
        "back",
    ),
    "not UTF-8": ("rules/a.yaml", "rules: \udcff\n", "UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_every_kind_of_mistake_is_shown_at_its_place_with_a_remedy(
    kind: str, workspace: Path, run: Run, read: Read
) -> None:
    file, text, remedy = BROKEN[kind]
    (workspace / file).parent.mkdir(exist_ok=True)
    (workspace / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("check", code=1)
    assert result.stdout == ""
    errors = re.findall(rf"^{re.escape(file)}:(\d+):(\d+) error: (.+)$", result.stderr, re.M)
    assert errors, result.stderr
    assert any(remedy.lower() in message.lower() for _, _, message in errors), errors
    found = read("check", code=1)
    assert {"file", "line", "column", "severity", "message", "hint"} == set(found[0])
    assert any(one["severity"] == "error" and one["file"] == file for one in found)


def test_a_caret_points_at_the_column(workspace: Path, run: Run) -> None:
    change(workspace, "timezone: Europe/Zurich", "timezone: Europe/Zuerich")
    lines = run("check", code=1).stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("hub.yaml:"))
    column = int(lines[at].split(":")[2].split(" ")[0])
    assert lines[at + 1].strip().startswith("timezone: Europe/Zuerich")
    assert lines[at + 2].index("^") == 4 + column - 1


def test_a_secret_that_stands_in_a_file_is_not_printed(workspace: Path, run: Run) -> None:
    (workspace / "hub.yaml").write_text(BROKEN["secret in a file"][1])
    assert "ghp_1234" not in run("check", code=1).output


def test_live_check_finds_a_field_that_the_account_does_not_have(
    connected: Path, run: Run, read: Read
) -> None:
    run("check", "--live")
    (connected / "mappings").mkdir(exist_ok=True)
    (connected / "mappings" / "issue.yaml").write_text(
        "mapping: mine\nconnection: github\nobject: issue\nentity: task\ndirection: in\n"
        "fields:\n  title: $.title\n  custom.size: $.labelz\n"
    )
    run("check")
    result = run("check", "--live", code=1)
    assert "mappings/issue.yaml:8:16 error:" in result.stderr
    assert "Did you mean 'labels'?" in result.stderr
    assert read("check", "--live", code=1)[0]["line"] == 8


def test_live_check_says_which_connection_does_not_answer(
    connected: Path, github: GithubSandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_SANDBOX_GITHUB_TOKEN", "expired")
    shown = run("check", "--live", code=1).stderr
    assert re.search(r"^hub.yaml:\d+:\d+ error: 'github' does not answer", shown, re.M)


# ----------------------------------------------------------------------------------------- apply


def test_applying_the_same_files_twice_makes_one_revision(
    workspace: Path, run: Run, read: Read
) -> None:
    assert read("apply") == {"revision": 1, "new": True, "missed": [], "findings": []}
    assert read("apply")["new"] is False
    assert [row["number"] for row in read("revisions")] == [1]
    change(workspace, "name: my-workspace", "name: acme")
    assert "Revision 2 is in force" in run("apply").stdout
    assert [row["number"] for row in read("revisions", "list", "--limit", 1)] == [2]


def test_files_with_errors_change_nothing(workspace: Path, run: Run, read: Read) -> None:
    run("apply")
    change(workspace, "timezone:", "timezon:")
    assert "hub.yaml:6:1 error:" in run("apply", code=1).stderr
    assert len(read("revisions")) == 1


def test_apply_refuses_what_others_changed_and_shows_the_difference(
    workspace: Path, tmp_path: Path, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest revision came from elsewhere: nothing changes, until it is forced."""
    monkeypatch.setenv("HUB_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    run("apply")
    run("revisions", "write", 1, tmp_path / "colleague")
    change(tmp_path / "colleague", "name: my-workspace", "name: theirs")
    run("apply", tmp_path / "colleague")
    change(workspace, "name: my-workspace", "name: ours")
    refused = run("apply", code=1).stderr
    assert "-name: theirs" in refused
    assert "+name: ours" in refused
    assert "hub revisions write 2 DIR" in refused
    assert len(read("revisions")) == 2
    run("apply", "--force")
    assert len(read("revisions")) == 3


def test_a_revision_written_to_a_folder_goes_on_from_there(
    workspace: Path, tmp_path: Path, run: Run, read: Read
) -> None:
    run("apply")
    other = tmp_path / "fetched"
    run("revisions", "write", 1, other)
    assert (other / "hub.yaml").read_text() == (workspace / "hub.yaml").read_text()
    assert (other / ".hub" / "applied").read_text().strip() == "1"


def test_writing_a_revision_keeps_changes_that_no_revision_holds(workspace: Path, run: Run) -> None:
    run("apply")
    change(workspace, "name: my-workspace", "name: precious")
    assert "no revision holds" in run("revisions", "write", 1, workspace, code=1).stderr
    assert "precious" in (workspace / "hub.yaml").read_text()
    run("revisions", "write", 1, workspace, "--force")
    assert "precious" not in (workspace / "hub.yaml").read_text()


def test_writing_a_revision_removes_files_it_does_not_have(workspace: Path, run: Run) -> None:
    run("apply")
    extra = workspace / "rules" / "more.yaml"
    extra.write_text("rules: []\n")
    (workspace / "notes.txt").write_text("mine")
    run("apply")
    assert "removed" in run("revisions", "write", 1, workspace).stdout
    assert not extra.exists()
    assert (workspace / "notes.txt").exists()


def test_rollback_stores_the_old_files_as_a_new_revision(
    workspace: Path, run: Run, read: Read
) -> None:
    run("apply")
    change(workspace, "name: my-workspace", "name: wrong")
    run("apply")
    assert read("rollback", 1) == {"revision": 3, "new": True, "files_of": 1}
    newest, _, oldest = read("revisions")
    assert newest["hash"] == oldest["hash"]
    assert newest["origin"] == "rollback"
    assert "no revision 9" in run("rollback", 9, code=1).stderr
