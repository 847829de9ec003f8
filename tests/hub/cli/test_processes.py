"""Commands that stay: a hub, its parts, and a vendor's sandbox, each as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import Result

from connectors.github.sandbox import GithubSandbox
from hub.registry import connector_classes
from tests import servers

Run = Callable[..., Result]
Read = Callable[..., Any]
Start = Callable[..., "Process"]


class Process:
    """A `hub` command that runs until it is stopped."""

    def __init__(self, words: tuple[str, ...], env: Mapping[str, str], errors: Path) -> None:
        self.errors = errors
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub", *words],
                env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=file, text=True,
            )  # fmt: skip

    def line(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.errors.read_text()
        return text.rstrip("\n")

    def lines_until(self, error: str) -> str:
        """Everything printed until this stands on standard error."""
        deadline = time.monotonic() + 60
        while error not in self.errors.read_text():
            assert time.monotonic() < deadline, self.errors.read_text()
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.02)
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        return out

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def start_(*words: str, **env: str) -> Process:
        started.append(Process(words, env, tmp_path / f"errors{len(started)}"))
        return started[-1]

    yield start_
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_says_where_it_listens_and_how_to_sign_in(
    number: int, workspace: Path, start: Start, read: Read
) -> None:
    hub = start("up", "--port", "0", "--person", "dana")
    listening, signing = hub.line(), hub.line()
    assert listening.startswith("listening on http://127.0.0.1:")
    url = listening.removeprefix("listening on ")
    assert signing.startswith(f"sign in: {url}/sign-in/")
    assert httpx.get(f"{url}/healthz", timeout=30).status_code == 200
    assert read("revisions")[0]["number"] == 1
    began = time.monotonic()
    assert hub.stop(number) == 0
    assert time.monotonic() - began < 15


def test_a_second_hub_on_the_same_folder_is_refused(
    workspace: Path, start: Start, run: Run
) -> None:
    hub = start("up", "--port", "0")
    hub.line()
    other = start("up", "--port", "0")
    assert other.process.wait(30) == 1
    assert "Another hub runs on" in other.errors.read_text()
    assert "Traceback" not in other.errors.read_text()


def test_a_taken_port_is_said_with_a_remedy(workspace: Path, start: Start) -> None:
    first = start("sandbox", "github", "--port", "0")
    first.line()
    port = str(yaml.safe_load(first.line() + "\n" + first.line() + "\n" + first.line())
               ["github"]["base_url"]).rpartition(":")[2]  # fmt: skip
    hub = start("up", "--port", port)
    assert hub.process.wait(30) == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in hub.errors.read_text()
    assert "--port" in hub.errors.read_text()


def test_up_refuses_files_with_errors_and_files_of_another_origin(
    workspace: Path, start: Start, run: Run
) -> None:
    run("apply")
    (workspace / ".hub" / "applied").unlink()
    text = (workspace / "hub.yaml").read_text()
    (workspace / "hub.yaml").write_text(text.replace("name: my-workspace", "name: other"))
    refused = start("up", "--port", "0")
    assert refused.process.wait(30) == 1
    assert "+name: other" in refused.errors.read_text()
    (workspace / "hub.yaml").write_text("nam: x\n")
    refused = start("up", "--port", "0")
    assert refused.process.wait(30) == 1
    assert "hub.yaml:1:1 error:" in refused.errors.read_text()


def test_a_running_hub_takes_up_a_new_revision(workspace: Path, start: Start, run: Run) -> None:
    """Without a restart: the webhooks of a new connection are answered."""
    hub = start("up", "--port", "0", HOOK="s" * 24)
    url = hub.line().removeprefix("listening on ")
    hook = f"{url}/webhooks/gh"
    assert httpx.post(hook, timeout=10).status_code == 404
    (workspace / "hub.yaml").write_text(
        "name: a\nconnections:\n  gh:\n    connector: github\n    repositories: [a/b]\n"
        "    auth: {token: env:HOOK}\n    webhook: {secret: env:HOOK}\n"
    )
    run("apply")
    deadline = time.monotonic() + 20
    while httpx.post(hook, timeout=10).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("part", ["web", "worker", "scheduler"])
def test_a_part_of_a_scaled_hub_says_what_it_needs(part: str, workspace: Path, run: Run) -> None:
    assert "HUB_REDIS_URL is not set" in run(part, code=1).stderr


@pytest.mark.scaled
def test_the_parts_of_a_scaled_hub_work_together(
    workspace: Path,
    github: GithubSandbox,
    open_issue: Callable[..., Any],
    postgres_server: str,
    redis_url: str,
    start: Start,
    run: Run,
    read: Read,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Web, worker and scheduler share PostgreSQL and Redis: an issue becomes a task."""
    with servers.fresh_database(postgres_server) as database:
        monkeypatch.setenv("HUB_DATABASE_URL", database)
        monkeypatch.setenv("HUB_REDIS_URL", redis_url)
        assert "HUB_SECRET_KEY" in run("migrate", code=1).stderr
        monkeypatch.setenv("HUB_SECRET_KEY", "k" * 32)
        for name, value in github.env().items():
            monkeypatch.setenv(name, value)
        text = (workspace / "hub.yaml").read_text().split("connections: {}")[0]
        block = yaml.safe_dump({"connections": {"github": github.connection()}})
        (workspace / "hub.yaml").write_text(text + block)
        assert read("migrate")["schema"]
        run("apply")
        web, worker, scheduler = start("web", "--port", "0"), start("worker"), start("scheduler")
        url = web.line().removeprefix("listening on ")
        assert (worker.line(), scheduler.line()) == ("working with 8 threads", "scheduling")
        token = read("token", "create", "--role", "operator", "--name", "watcher")["token"]
        as_watcher = {"Authorization": f"Bearer {token}"}
        page = httpx.stream("GET", f"{url}/api/v1/stream", headers=as_watcher, timeout=30)
        with page as stream:  # what the worker changes is seen on the pages of the web process
            lines = stream.iter_lines()
            assert ": watching" in lines
            open_issue("Wire the tenant")
            soon = f"{url}/api/v1/connections/github/pull"
            assert httpx.post(soon, headers=as_watcher, json={}, timeout=30).is_success
            assert any('"task"' in line for line in lines)
        assert read("tasks")[0]["title"] == "Wire the tenant"
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
        found = {one["check"]: one["status"] for one in read("doctor")}
        assert set(found.values()) == {"ok"}
        assert [one.stop() for one in (web, worker, scheduler)] == [0, 0, 0]


def test_migrate_brings_an_empty_database_up_to_date(workspace: Path, read: Read) -> None:
    assert read("migrate")["schema"]
    assert (workspace / ".hub" / "hub.db").exists()


# --------------------------------------------------------------------------------------- sandbox


def test_a_sandbox_prints_what_to_write_and_to_export(start: Start) -> None:
    printed = start("sandbox", "github").lines_until("Ctrl-C")
    lines = printed.splitlines()
    exports = [line for line in lines if line.startswith("export ")]
    block = yaml.safe_load("\n".join(lines[: len(lines) - len(exports)]))
    assert block["connections"]["github"]["connector"] == "github"
    assert exports[0].startswith("export HUB_SANDBOX_GITHUB_TOKEN=")


def test_a_sandbox_answers_as_the_vendor_does(start: Start) -> None:
    sandbox = start("sandbox", "github", "--empty", "--read-only", "--json")
    text = ""
    while not text.endswith("\n}\n"):
        text += sandbox.line() + "\n"
    found = json.loads(text)
    token = found["env"]["HUB_SANDBOX_GITHUB_TOKEN"]
    address = f"{found['url']}/repos/acme/ops/issues"
    assert httpx.get(address, timeout=10).status_code == 401
    answer = httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.json() == []
    refused = httpx.post(address, headers={"Authorization": f"Bearer {token}"}, json={}, timeout=10)
    assert refused.status_code == 500  # it was told to let nobody write
    assert sandbox.stop() == 0


@pytest.mark.parametrize(
    ("switches", "statuses"),
    [
        (("--rate-limit", "2"), [200, 200, 429]),
        (("--flaky", "1"), [503]),
        (("--rate-limit", "--lag", "30s"), [200]),
    ],
)
def test_a_sandbox_does_wrong_what_it_is_told_to(
    switches: tuple[str, ...], statuses: list[int], start: Start
) -> None:
    sandbox = start("sandbox", "github", *switches, "--json")
    text = ""
    while not text.endswith("\n}\n"):
        text += sandbox.line() + "\n"
    found = json.loads(text)
    token = found["env"]["HUB_SANDBOX_GITHUB_TOKEN"]
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        address = f"{found['url']}/repos/acme/ops/issues"
        answers = [client.get(address) for _ in statuses]
    assert [one.status_code for one in answers] == statuses
    if statuses == [200]:
        assert answers[0].json()  # somebody has been working there


@pytest.mark.parametrize("name", sorted(connector_classes()))
def test_every_connector_has_a_sandbox_that_starts(name: str, start: Start) -> None:
    printed = start("sandbox", name).lines_until("Ctrl-C")
    assert yaml.safe_load(printed.split("export ")[0])["connections"][name]["connector"] == name


# ------------------------------------------------------------------------------------ connectors


def test_connectors_are_listed_and_documented_from_their_models(run: Run, read: Read) -> None:
    found = {one["name"]: one for one in read("connector", "list")}
    assert {"email", "github", "salesforce", "spreadsheet"} <= set(found)
    assert found["github"]["roles"] == ["source", "sink", "receiver", "subscriber"]
    for name in found:
        shown = run("connector", "docs", name).stdout
        assert shown.startswith("# ")
        keys = {one["key"] for one in read("connector", "docs", name)["settings"]}
        assert {"pull.every", "webhook.token"} <= keys
        for object in found[name]["objects"]:
            assert f"| `{object}` |" in shown
    assert "**required**" in run("connector", "docs", "github").stdout
    assert "Did you mean 'github'?" in run("connector", "docs", "gihub", code=1).stderr
    assert "Did you mean 'github'?" in run("sandbox", "gihub", code=1).stderr
