"""Who is who in the tools, from the command line: shown, said, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from connectors.github.sandbox import GithubSandbox

Run = Callable[..., Result]
Read = Callable[..., Any]


@pytest.fixture
def unknown(connected: Path, github: GithubSandbox, run: Run) -> Path:
    """An issue that is assigned to somebody whom nobody knows."""
    github.open_issue("Whose is it", assignees=["lkim"])
    run("pull", "github")
    return connected


def test_somebody_unknown_is_named_and_taken_back(unknown: Path, run: Run, read: Read) -> None:
    (trouble,) = read("exceptions", "--type", "unmapped_value")
    run("people", "who", "lkim", code=1)
    ended = read("exceptions", "resolve", trouble["id"], "--is", "lee")
    assert ended["resolution"] == "lkim in github is lee"
    (found,) = read("people", "who", "lkim")
    assert (found["connection"], found["evidence"]) == ("github", "person")
    assert "a person said so" in run("people").stdout
    assert read("people", "who", "lee") == [found]
    assert read("people", "not", "--in", "github", "--called", "lkim")["party"] is None
    (dana,) = read("people", "--in", "github")
    assert (dana["handle"], dana["evidence"]) == ("dmeier", "identities")


def test_one_says_who_somebody_is_before_anybody_asks(unknown: Path, run: Run, read: Read) -> None:
    said = read("people", "is", "lee", "--in", "github", "--called", "LKim")
    assert (said["handle"], said["evidence"]) == ("LKim", "person")
    told = run("people", "is", "dana", "--in", "nowhere", "--called", "x", code=1)
    assert "no connection 'nowhere'" in told.stderr
