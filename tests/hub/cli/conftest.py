"""A command line to type at, a workspace to type in, and a GitHub to connect it to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from connectors.github.sandbox import GithubSandbox
from hub.cli import app

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of whoever runs the tests: no HUB_ variable, an empty folder to be in."""
    for name in list(os.environ):
        if name.startswith("HUB_"):
            monkeypatch.delenv(name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    yield
    structlog.reset_defaults()


@pytest.fixture
def run() -> Run:
    """Type a command; what it printed where, and its exit code. An unexpected error is raised."""
    runner = CliRunner()

    def type_(*words: object, code: int = 0, input: str | None = None) -> Result:
        result = runner.invoke(app, [str(word) for word in words], input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
        return result

    return type_


@pytest.fixture
def read(run: Run) -> Callable[..., Any]:
    """Type a command with --json and read what it printed."""

    def type_(*words: object, code: int = 0, input: str | None = None) -> Any:
        return json.loads(run(*words, "--json", code=code, input=input).stdout)

    return type_


@pytest.fixture
def workspace(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter workspace, as HUB_WORKSPACE."""
    folder = tmp_path / "acme"
    run("init", folder)
    monkeypatch.setenv("HUB_WORKSPACE", str(folder))
    return folder


@pytest.fixture
def github() -> Iterator[GithubSandbox]:
    with GithubSandbox() as running:
        assert isinstance(running, GithubSandbox)
        yield running


@pytest.fixture
def connected(
    workspace: Path, github: GithubSandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The workspace with a GitHub connection, applied."""
    for name, value in github.env().items():
        monkeypatch.setenv(name, value)
    connect(workspace, "github", github.connection())
    people = workspace / "people.yaml"
    people.write_text(people.read_text() + "\nidentities: {github: {dana: dmeier}}\n")
    run("apply")
    return workspace


def connect(workspace: Path, name: str, block: dict[str, Any]) -> None:
    """Write a connection into hub.yaml."""
    file = workspace / "hub.yaml"
    head = file.read_text().split("connections: {}")[0]
    file.write_text(head + yaml.safe_dump({"connections": {name: block}}))


@pytest.fixture
def open_issue(github: GithubSandbox) -> Callable[..., dict[str, Any]]:
    """Somebody opens an issue, through the vendor's own API."""

    def open_(title: str, **fields: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{github.url}/repos/acme/ops/issues",
            headers={"Authorization": f"Bearer {github.env()['HUB_SANDBOX_GITHUB_TOKEN']}"},
            json={"title": title, "body": "As agreed.", **fields},
            timeout=10,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    return open_
