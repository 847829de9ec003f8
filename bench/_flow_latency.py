"""From a webhook to the push that it causes, in a whole hub in one process: a change in GitHub's
sandbox, delivered by it over HTTP, until Redmine's sandbox holds it.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from connectors.github.sandbox import GithubSandbox
from connectors.redmine.sandbox import RedmineSandbox
from hub.apply import apply
from hub.demo.world import free_port
from hub.flow import change
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.pull import pull
from hub.hub import open_hub, system_clock
from hub.registry import connector_classes
from hub.settings import Settings

ISSUES = 50
"""How many issues are changed in turn."""
KEY = "a-key-of-the-bench-long-enough"


def measure(seconds: float = 10.0, rate: int = 50) -> None:
    """Print how long changes took on their way, `rate` of them a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        GithubSandbox() as github,
        RedmineSandbox() as redmine,
    ):
        port = free_port()
        github.webhook_url = "http://127.0.0.1:9/"
        for number in range(ISSUES):
            github.open_issue(f"Issue {number}")
        env = _prepare(Path(folder), github, redmine)
        with _running(Path(folder), env, port) as pid:
            github.webhook_url = f"http://127.0.0.1:{port}/webhooks/github"
            _rest(pid)
            _drive(github, redmine, rate, rate)  # warm up
            before = _cpu_seconds(pid)
            took = _drive(github, redmine, int(seconds * rate), rate)
            worked = _cpu_seconds(pid) - before
    took.sort()
    print(
        f"webhook to push at {rate}/s: p50 {statistics.median(took) * 1000:.0f} ms,"
        f" p99 {took[int(len(took) * 0.99) - 1] * 1000:.0f} ms ({len(took)} changes);"
        f" {worked / len(took) * 1000:.1f} ms of CPU time of the hub for each"
    )


def _prepare(folder: Path, github: GithubSandbox, redmine: RedmineSandbox) -> dict[str, str]:
    """A workspace whose tasks are mirrored from one tool to the other already."""
    place = folder / "workspace"
    place.mkdir()
    blocks: dict[str, Any] = {
        "github": github.connection() | {"networks": ["127.0.0.0/8"], "pull": {"every": "12h"}},
        "redmine": redmine.connection() | {"networks": ["127.0.0.0/8"], "pull": {"every": "12h"}},
    }
    files = {
        "hub.yaml": yaml.safe_dump({"name": "bench", "connections": blocks}),
        "people.yaml": "people: {dana: {name: Dana, email: dana@acme.test}}\n",
    }
    for name, text in files.items():
        (place / name).write_text(text)
    url = f"sqlite:///{folder / 'hub.db'}"
    secrets = github.env() | redmine.env()
    hub = open_hub(Settings(place, url, None, KEY.encode()), connector_classes(), env=secrets)
    apply(hub.database, files, connector_classes(), system_clock(), env=secrets, force=True)
    pull(hub, "github", "issue", force=True)
    while bring_in(hub):
        pass
    with hub.unit() as unit:
        for task in unit.tx.exec_driver_sql("SELECT id FROM tasks").scalars().all():
            if not change.mirror(unit, "task", {"id": task}, "redmine"):
                raise RuntimeError("Redmine takes no tasks.")
    while deliver(hub) + bring_in(hub):
        pass
    hub.live.close()
    hub.database.close()
    if len(redmine.issues) != ISSUES:
        raise RuntimeError(f"Redmine holds {len(redmine.issues)} of {ISSUES} issues.")
    return secrets | {
        "HUB_WORKSPACE": str(place), "HUB_DATABASE_URL": url, "HUB_SECRET_KEY": KEY,
    }  # fmt: skip


@contextmanager
def _running(folder: Path, env: dict[str, str], port: int) -> Iterator[int]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "hub", "up", "--port", str(port)],
            env=os.environ | env, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            for _ in range(600):
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/healthz").is_success:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
            else:
                raise RuntimeError((folder / "log").read_text()[-2000:])
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _rest(pid: int) -> None:
    """Wait until the hub has done what it does when it starts: its first pulls, above all."""
    used = _cpu_seconds(pid)
    while True:
        time.sleep(1.0)
        before, used = used, _cpu_seconds(pid)
        if used - before < 0.1:
            return


def _cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _drive(github: GithubSandbox, redmine: RedmineSandbox, count: int, rate: int) -> list[float]:
    """Change titles at the rate; how long each took to be seen in the other tool."""
    begun: dict[str, float] = {}
    took: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            with redmine.lock:
                seen = [str(row["subject"]) for row in redmine.issues.values()]
            now = time.perf_counter()
            for title in seen:
                if (began := begun.pop(title, None)) is not None:
                    took.append(now - began)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    numbers = [row["number"] for row in github.issues()]
    start = time.perf_counter()
    for turn in range(count):
        time.sleep(max(0.0, start + turn / rate - time.perf_counter()))
        title = f"Change {turn} of {count}"
        begun[title] = time.perf_counter()
        github.edit_issue(numbers[turn % len(numbers)], by="dmeier", title=title)
    deadline = time.perf_counter() + 30
    while begun and time.perf_counter() < deadline:
        time.sleep(0.02)
    ended.set()
    watcher.join()
    if len(took) < count * 0.98:
        # a later change may overtake one that waits: both are one push then
        print(f"({count - len(took)} of {count} were carried along by a later change)")
    return took


if __name__ == "__main__":
    measure()
