"""A pull that somebody watches: how far it is, what it waits for, and how it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from connectors.github.connector import GithubConnector
from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Page
from hub.cli import pulling
from hub.cli.session import opened
from hub.store import cursors
from hub.store import tables as t

Run = Callable[..., Result]
Read = Callable[..., Any]
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at_second(number: int) -> datetime:
    return START + timedelta(seconds=number)


@pytest.fixture
def presses() -> list[int]:
    """After which pages of a test Ctrl-C is pressed."""
    return []


@pytest.fixture
def small(
    monkeypatch: pytest.MonkeyPatch, github: GithubSandbox, connected: Path, presses: list[int]
) -> None:
    """Nine issues on pages of two, each of which is told of before the next but one is read."""
    monkeypatch.setattr("connectors.github.changes.PAGE", 2)
    monkeypatch.setattr("connectors.github.connector.PAGE", 2)
    for number in range(9):
        github.state.clock = partial(at_second, number)
        github.open_issue(f"Issue {number}")
    github.state.clock = lambda: datetime.now(UTC)
    told = threading.Semaphore(0)
    read, tell = GithubConnector.pull, pulling._Pulling._tell
    came = 0

    def one_by_one(self: Any, object: str, cursor: Any, fields: Any) -> Iterator[Page]:
        nonlocal told
        told = mine = threading.Semaphore(0)
        for page in read(self, object, cursor, fields):
            yield page
            mine.acquire(timeout=2)  # in vain only where the pull was stopped

    def noted(self: Any, so_far: Any) -> None:
        nonlocal came
        came += 1
        if came in presses:
            signal.raise_signal(signal.SIGINT)
        told.release()
        tell(self, so_far)

    monkeypatch.setattr(GithubConnector, "pull", one_by_one)
    monkeypatch.setattr(pulling._Pulling, "_tell", noted)


@pytest.mark.usefixtures("small")
def test_a_stopped_pull_says_how_to_go_on_and_goes_on(run: Run, presses: list[int]) -> None:
    presses.append(2)
    issue = ("pull", "github", "--object", "issue", "--full")
    stopped = run(*issue, code=130)
    assert "Stopping after this page" in stopped.stderr
    assert "To go on: hub pull github --object issue --full\n" in stopped.stderr
    assert "seen: 3  created: 3" in stopped.stdout
    shown = run("connections", "show", "github").stderr
    assert "issue: everything is being pulled, 3 of 9 records since" in shown
    went_on = run(*issue)
    assert "has 3 records; it goes on from there." in went_on.stderr
    assert "seen: 6  created: 6" in went_on.stdout
    anew = run(*issue, "--restart")
    assert "seen: 9  created: 0  updated: 0  unchanged: 9" in anew.stdout
    assert "everything is being pulled" not in run("connections", "show", "github").stderr


@pytest.mark.usefixtures("small")
def test_a_pull_that_was_stopped_begins_anew_if_that_is_asked(run: Run, presses: list[int]) -> None:
    presses.append(1)
    run("pull", "github", "--object", "issue", code=130)
    anew = run("pull", "github", "--object", "issue", "--restart")
    assert "has 2 records; it begins anew." in anew.stderr
    assert "seen: 9  created: 7  updated: 0  unchanged: 2" in anew.stdout


@pytest.mark.usefixtures("small")
def test_a_pull_waits_as_long_as_the_tool_asks_and_goes_on(
    read: Read, run: Run, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(self: pulling.Stop, seconds: float) -> None:
        waited.append(seconds)
        github.remaining = 5000

    monkeypatch.setattr(pulling.Stop, "wait", wait)
    github.remaining = 5
    github.resets = datetime.now(UTC) + timedelta(seconds=290)
    result = run("pull", "github", "--object", "issue")
    assert len(waited) == 1
    assert 200 < waited[0] <= 300
    assert "github issue: waits 5 min, until " in result.stderr
    assert "GitHub asks us to slow down." in result.stderr
    assert "seen: 9  created: 9" in result.stdout
    found = read("pull", "github", "--object", "issue")
    assert (found["seen"], [one["error"] for one in found["objects"]]) == (0, [None])


@pytest.mark.usefixtures("small")
def test_somebody_who_presses_twice_is_obeyed_at_once() -> None:
    with pulling.stoppable() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(pulling.Stopped):
            stop.heed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("small")
def test_plain_lines_say_how_many_of_how_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.cli.progress.EVERY", 0.0)
    lines = run("pull", "github", "--object", "issue").stderr.splitlines()
    assert lines[0].startswith("github issue: 2 of 9 records")
    assert any(line.startswith("github issue: 6 of 9 records, ") for line in lines)
    assert all(" left" in line for line in lines if line.startswith("github issue: 6"))


@pytest.mark.usefixtures("small")
def test_a_pull_waits_for_the_turn_of_one_that_died_and_says_until_when(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a `kill -9`: nobody keeps the turn, and it ends by itself."""
    monkeypatch.setattr(pulling, "TURN", 0.0)
    with opened() as hub, hub.database.write() as tx:
        cursors.claim_pull(tx, "github", "issue", timedelta(seconds=2), force=True)
    result = run("pull", "github", "--object", "issue")
    assert "github issue: waits " in result.stderr
    assert "another process has the turn" in result.stderr
    assert "seen: 9  created: 9" in result.stdout


@pytest.mark.usefixtures("small")
def test_a_pull_gives_way_to_one_that_works(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the turn page by page is at work: nobody waits for that to end."""
    monkeypatch.setattr(pulling, "TURN", 0.0)
    with opened() as hub, hub.database.write() as tx:
        cursors.claim_pull(tx, "github", "issue", timedelta(minutes=5), force=True)

    def worked(self: pulling.Stop, seconds: float) -> None:
        with opened() as hub, hub.database.write() as tx:
            row = cursors.cursor_state(tx, "github", "issue")
            assert row is not None
            later = row["lease_until"] + timedelta(seconds=1)
            tx.execute(t.cursors.update().values(lease_until=later))

    monkeypatch.setattr(pulling.Stop, "wait", worked)
    result = run("pull", "github", "--object", "issue", code=1)
    assert "github/issue is being pulled already" in result.stderr


@pytest.mark.usefixtures("small")
def test_the_doctor_tells_of_a_pull_of_everything(run: Run, presses: list[int]) -> None:
    presses.append(2)
    run("pull", "github", "--object", "issue", "--full", code=130)
    shown = run("doctor")
    assert "3 of 9 records since" in shown.output
