"""Tokens, secrets, the audit chain, the export, and the doctor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import Result

from hub import identity
from hub.cli import app
from hub.cli.session import opened
from hub.export import ocel
from hub.process import cases as moving
from hub.store import access, dialect, events
from hub.store.append_only import unguarded
from hub.store.tables import events as rows

Run = Callable[..., Result]
Read = Callable[..., Any]


@pytest.fixture
def applied(workspace: Path, run: Run) -> Path:
    run("apply")
    return workspace


# ---------------------------------------------------------------------------------------- tokens


def test_a_token_is_printed_once_and_works_until_it_is_revoked(
    applied: Path, run: Run, read: Read
) -> None:
    made = read("token", "create", "--role", "member", "--name", "laptop", "--person", "dana")
    assert set(made) == {"id", "token"}
    with opened() as hub:
        caller = identity.by_token(hub, made["token"])
        assert caller is not None
        assert caller.party is not None
        assert caller.party["name"] == "Dana Example"
    listed = run("token", "list", "--json").stdout
    assert made["token"] not in listed
    assert json.loads(listed)[0]["person"] == "Dana Example"
    run("token", "revoke", made["id"])
    with opened() as hub:
        assert identity.by_token(hub, made["token"]) is None
    assert "no token" in run("token", "revoke", made["id"], code=1).stderr


def test_only_the_token_is_on_standard_output(applied: Path, run: Run) -> None:
    result = run("token", "create", "--role", "operator", "--name", "ci", "--days", 30)
    assert result.stdout.startswith("hub_")
    assert len(result.stdout.splitlines()) == 1


def test_an_assistant_never_stands_for_a_person(applied: Path, run: Run) -> None:
    """Else it could decide."""
    words = ("token", "create", "--role", "assistant", "--name", "bot", "--person", "dana")
    assert "stands for nobody" in run(*words, code=2).stderr
    with opened() as hub, pytest.raises(LookupError, match="stands for nobody"):
        identity.create_token(hub, "assistant", "bot", "dana")


def test_a_sign_in_link_works_once(applied: Path, run: Run) -> None:
    link = run("sign-in", "--person", "lee", "--url", "http://hub.test/").stdout.strip()
    assert link.startswith("http://hub.test/sign-in/")
    secret = link.rpartition("/")[2]
    with opened() as hub:
        session = identity.sign_in(hub, secret)
        assert session is not None
        caller = identity.by_session(hub, session)
        assert caller is not None
        assert caller.party is not None
        assert caller.party["person"] == "lee"
        assert identity.sign_in(hub, secret) is None
    run("sign-in", "--role", "assistant", code=2)
    assert "no person 'bob'" in run("sign-in", "--person", "bob", code=1).stderr


# --------------------------------------------------------------------------------------- secrets


def test_a_secret_is_stored_sealed_and_never_shown(applied: Path, run: Run, read: Read) -> None:
    run("secret", "set", "github-token", input="s3cr3t-value\n")
    assert read("secret", "list") == [{"name": "github-token"}]
    with opened() as hub, hub.database.read() as tx:
        assert access.get_secret(tx, hub.settings.secret_key, "github-token") == "s3cr3t-value"
    assert b"s3cr3t-value" not in b"".join(
        file.read_bytes() for file in (applied / ".hub").iterdir() if file.is_file()
    )
    assert "empty" in run("secret", "set", "other", input="\n", code=1).stderr
    run("secret", "set", "not a name", input="x", code=2)


def test_a_secret_that_does_not_open_with_this_key_is_an_error_in_a_line(
    applied: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("secret", "set", "gh", input="value")
    (applied / "hub.yaml").write_text(
        "name: a\nconnections:\n  gh:\n    connector: github\n    repositories: [a/b]\n"
        "    auth: {token: secret:gh}\n    webhook: {unsigned: true}\n"
    )
    run("apply")
    monkeypatch.setenv("HUB_SECRET_KEY", "k" * 32)
    shown = run("connections", "check", "gh", code=1).stderr
    assert "does not open with this HUB_SECRET_KEY" in shown
    assert len(shown.splitlines()) == 1


# ------------------------------------------------------------------------------ audit and export


def test_a_changed_event_breaks_the_chain(applied: Path, run: Run, read: Read) -> None:
    with opened() as hub, hub.database.write() as tx:
        events.seal(tx)
    assert "1 sealed events, all in order" in run("audit", "verify").stdout
    assert read("audit", "verify")["ok"] is True
    with opened() as hub, hub.database.write() as tx:
        id = tx.scalar(sa.select(rows.c.id))
        with unguarded(tx):
            tx.execute(sa.update(rows).values(type="task.created"))
    assert f"event 1 ({id}) was changed" in run("audit", "verify", code=1).stderr
    assert read("audit", "verify", code=1)["ok"] is False


def test_events_that_wait_to_be_sealed_are_told(applied: Path, run: Run) -> None:
    assert "1 newer ones wait" in run("audit", "verify").stderr


@pytest.fixture
def log(applied: Path, tmp_path: Path, run: Run) -> dict[str, Any]:
    """The export of a hub in which a case runs."""
    with opened() as hub, hub.unit() as unit:
        moving.start(unit, next(iter(unit.snapshot.workspace.processes)), title="A", key="K")
    file = tmp_path / "log.json"
    assert "objects" in run("export", "ocel", file).stderr
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_the_export_is_a_sound_ocel_log(log: dict[str, Any]) -> None:
    """Every id is unique, every reference leads somewhere, every attribute is declared."""
    assert set(log) == {"objectTypes", "eventTypes", "objects", "events"}
    objects = {one["id"] for one in log["objects"]}
    assert len(objects) == len(log["objects"])
    assert len({one["id"] for one in log["events"]}) == len(log["events"])
    for kind, things in (("objectTypes", "objects"), ("eventTypes", "events")):
        declared = {
            one["name"]: {attribute["name"] for attribute in one["attributes"]} for one in log[kind]
        }
        for one in log[things]:
            assert {attribute["name"] for attribute in one["attributes"]} <= declared[one["type"]]
            for relation in one["relationships"]:
                assert relation["objectId"] in objects
                assert relation["qualifier"]
    times = [one["time"] for one in log["events"]]
    assert times == sorted(times)


def test_the_export_tells_which_event_moved_which_object(log: dict[str, Any]) -> None:
    kinds = {one["id"]: one["type"] for one in log["objects"]}
    assert {"party", "case", "step", "task"} <= set(kinds.values())
    for event in log["events"]:
        if event["type"].startswith(("case.", "step.")):
            touched = {kinds[one["objectId"]] for one in event["relationships"]}
            assert {"case", event["type"].split(".")[0]} <= touched
    steps = [one for one in log["objects"] if one["type"] == "step"]
    for step in steps:
        assert any(one["qualifier"] == "part of" for one in step["relationships"])
        assert [one["value"] for one in step["attributes"] if one["name"] == "status"]


def test_the_export_goes_to_standard_output(applied: Path, run: Run) -> None:
    with opened() as hub, hub.database.read() as tx:
        expected = ocel(tx)
    assert json.loads(run("export", "ocel", "-").stdout) == expected


# ---------------------------------------------------------------------------------------- doctor


def test_the_doctor_finds_a_healthy_hub_healthy(connected: Path, run: Run, read: Read) -> None:
    found = {one["check"]: one["status"] for one in read("doctor")}
    assert found.pop("durability") in ("ok", "warn")  # a warning where the SQLite is an old one
    assert set(found.values()) == {"ok"}
    assert {"database", "clock", "workspace", "broker", "disk", "connection github"} <= set(found)
    assert run("doctor").stdout.splitlines()[0].startswith("ok ")


def test_the_doctor_names_what_is_wrong_and_the_remedy(
    connected: Path, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (connected / "hub.yaml").write_text((connected / "hub.yaml").read_text() + "# new\n")
    monkeypatch.setenv("HUB_SANDBOX_GITHUB_TOKEN", "expired")
    monkeypatch.setattr(dialect, "durability_problems", lambda tx: ["It forgets."])
    found = {one["check"]: one for one in read("doctor", code=1)}
    assert found["connection github"]["status"] == "fail"
    assert found["workspace"]["status"] == "warn"
    assert "hub apply" in found["workspace"]["remedy"]
    assert found["durability"]["status"] == "warn"
    assert "fail  connection github" in run("doctor", code=1).stdout


def test_the_doctor_says_that_the_database_does_not_answer(
    workspace: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://hub@127.0.0.1:1/hub")
    monkeypatch.setenv("HUB_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("HUB_SECRET_KEY", "k" * 32)
    found = {one["check"]: one for one in read("doctor", code=1)}
    assert found["database"]["status"] == "fail"
    assert "HUB_DATABASE_URL" in found["database"]["detail"]
    assert found["broker"]["status"] == "fail"


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_SECRET_KEY", "short"),
        ("HUB_ADMIN_TOKEN", "short"),
        ("HUB_REDIS_URL", "http://x"),
        ("HUB_DATABASE_URL", "mysql://x"),
        ("HUB_LOG", "loud"),
        ("HUB_PUBLIC_URL", "hub.test"),
    ],
)
def test_a_wrong_variable_is_named(
    name: str, value: str, applied: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = run("tasks", code=1)
    assert result.stderr.startswith("error: ")
    assert name in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_database_that_does_not_answer_is_an_error_in_a_line(
    applied: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://hub@127.0.0.1:1/hub")
    assert "Check HUB_DATABASE_URL" in run("tasks", code=1).stderr


def test_a_damaged_database_file_is_an_error_in_a_line(applied: Path, run: Run) -> None:
    (applied / ".hub" / "hub.db").write_bytes(b"not a database" * 1000)
    for end in ("-wal", "-shm"):
        (applied / ".hub" / f"hub.db{end}").unlink(missing_ok=True)
    shown = run("tasks", code=1).stderr
    assert shown.startswith("error: the database")
    assert len(shown.splitlines()) == 1


def test_debug_shows_the_traceback(applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    monkeypatch.setenv("HUB_DEBUG", "1")
    result = CliRunner().invoke(app, ["tasks", "show", "tsk_1"])
    assert isinstance(result.exception, LookupError)


def test_a_hub_that_is_used_meanwhile_is_no_obstacle(applied: Path, read: Read) -> None:
    """Another process reads; the command line writes."""
    other = sqlite3.connect(applied / ".hub" / "hub.db")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM events").fetchall()
    assert read("token", "create", "--role", "operator", "--name", "ci")["id"].startswith("tok_")
    other.close()
