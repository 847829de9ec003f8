"""The log proved by command: heads that are kept elsewhere, and what they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import Result

from hub.cli.session import opened
from hub.store import events
from hub.store.append_only import unguarded
from hub.store.tables import events as rows

Run = Callable[..., Result]
Read = Callable[..., Any]


@pytest.fixture
def head(workspace: Path, run: Run, tmp_path: Path) -> Path:
    """A head of a log with one sealed event."""
    run("apply")
    with opened() as hub, hub.database.write() as tx:
        events.seal(tx)
    file = tmp_path / "head.json"
    run("audit", "head", "--out", file)
    return file


def test_a_log_passes_through_the_head_that_was_kept(head: Path, run: Run, read: Read) -> None:
    assert "passes through the head of" in run("audit", "verify", "--head", head).stdout
    assert read("audit", "verify", "--head", head)["heads"] == 1
    assert json.loads(head.read_text())["key"] == run("audit", "key").stdout.strip()
    assert read("audit", "key")["pem"] == run("audit", "key", "--pem").stdout


def test_a_log_that_was_sealed_anew_does_not(head: Path, run: Run) -> None:
    with opened() as hub, hub.database.write() as tx, unguarded(tx):
        tx.execute(sa.update(rows).values(type="task.created", sequence=None, hash=None))
        events.seal(tx)
    run("audit", "verify")
    found = run("audit", "verify", "--head", head, code=1).stderr
    assert "was written anew" in found


def test_a_log_whose_end_is_gone_does_not(head: Path, run: Run) -> None:
    with opened() as hub, hub.database.write() as tx, unguarded(tx):
        tx.execute(sa.delete(rows))
    assert "its head was at 1" in run("audit", "verify", "--head", head, code=1).stderr


def test_a_head_that_somebody_changed_proves_nothing(head: Path, run: Run) -> None:
    head.write_text(head.read_text().replace('"sequence": 1', '"sequence": 2'))
    assert "somebody changed it" in run("audit", "verify", "--head", head, code=1).stderr
    head.write_text("no json")
    assert "no JSON" in run("audit", "verify", "--head", head, code=1).stderr


def test_a_head_of_another_hub_is_not_trusted(
    head: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = run("audit", "key").stdout.strip()
    monkeypatch.setenv("HUB_SECRET_KEY", "another key that is long enough")
    assert "another key" in run("audit", "verify", "--head", head, code=1).stderr
    run("audit", "verify", "--head", head, "--key", own)
