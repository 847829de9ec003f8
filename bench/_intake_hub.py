"""The whole hub under the intake's load: its start, its memory, its p99 while the pipeline works,
and a quiet sender beside a noisy one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from bench._intake_load import (
    SECRET,
    Generator,
    Load,
    Sender,
    bodies,
    cpu_seconds,
    head_of,
    memory,
    open_loop,
)  # fmt: skip
from connectors.github.sandbox import GithubSandbox
from hub.apply import NotValid, apply
from hub.hub import system_clock
from hub.registry import connector_classes
from hub.store.database import Database

_CONNECTION = """
  {name}:
    connector: github
    base_url: {url}
    networks: [127.0.0.0/8]
    repositories: [acme/ops]
    auth: {{token: env:GITHUB_TOKEN}}
    webhook: {{secret: env:BENCH_SECRET}}
    pull: {{every: 12h}}
"""
PEOPLE = (
    "people: {dana: {name: Dana, email: dana@acme.test}}\nidentities: {github: {dana: dmeier}}\n"
)
RULES = """
rules:
  - rule: urgent
    when: task.*
    if: "'urgent' in task.labels && task.priority != 'urgent'"
    then:
      - update_task: {priority: urgent}
"""
ENVIRONMENT = {"BENCH_SECRET": SECRET, "GITHUB_TOKEN": "token-of-the-bench"}
"""What the workspace of the bench reads from the environment."""
FILES = {"people.yaml": PEOPLE, "rules/all.yaml": RULES}


def prepare(folder: Path, url: str = "http://127.0.0.1:9") -> dict[str, str]:
    """Write the workspace; the variables that its processes need."""
    place = folder / "workspace"
    connections = "".join(_CONNECTION.format(name=name, url=url) for name in ("github", "noisy"))
    files = FILES | {"hub.yaml": f"name: bench\nconnections:{connections}"}
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return ENVIRONMENT | {
        "HUB_WORKSPACE": str(place), "HUB_SECRET_KEY": "a-key-of-the-bench-long-enough",
        "PYTHONDONTWRITEBYTECODE": "",  # an installed hub has its bytecode
    }  # fmt: skip


def apply_workspace(database_url: str) -> None:
    """Bring a database up to date and put the workspace in force."""
    database = Database(database_url)
    database.migrate()
    place = Path(os.environ["HUB_WORKSPACE"])
    files = {name: (place / name).read_text() for name in (*FILES, "hub.yaml")}
    try:
        apply(database, files, connector_classes(), system_clock(), force=True)
    except NotValid as wrong:
        raise RuntimeError(str(wrong.findings)) from wrong
    database.close()


def postmaster(database_url: str) -> int:
    """The process that all of a PostgreSQL server descends from."""
    engine = Database(database_url).engine
    with engine.connect() as connection:
        place = connection.execute(sa.text("SHOW data_directory")).scalar()
    engine.dispose()
    return int((Path(str(place)) / "postmaster.pid").read_text().split()[0])


@contextmanager
def hub_up(folder: Path) -> Iterator[tuple[int, subprocess.Popen[str], float]]:
    """A whole `hub up` on a workspace that was applied before, GitHub's sandbox behind it: its
    port, its process, and the seconds from exec to the first accepted webhook.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name, GithubSandbox() as sandbox:
        place = Path(name)
        environment = os.environ | prepare(place, sandbox.url)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        for turn in ("to apply it", "to measure"):
            began = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603 - our own command
                [Path(sys.executable).parent / "hub", "up", "--port", str(port)],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            try:
                first = _first_accepted(port, process, began)
                if turn == "to measure":
                    yield port, process, first
            finally:
                process.terminate()
                process.wait(60)


def _first_accepted(port: int, process: subprocess.Popen[str], began: float) -> float:
    body = bodies(1)[0]

    async def send() -> int:
        async with Sender(port) as sender:
            return await sender.send(head_of(body), f"first-{time.time_ns():x}", body)

    while process.poll() is None:
        try:
            if asyncio.run(send()) in (200, 202):
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("hub up ended.")


def starting(folder: Path, rounds: int = 3) -> None:
    """Cold start, and memory at 128 connections."""
    starts = []
    for turn in range(rounds):
        with hub_up(folder) as (port, process, first):
            starts.append((first, cpu_seconds([process.pid])))
            if turn == rounds - 1:
                Generator(folder).run(port, 128, 3)
                pss, rss = memory(process.pid)
    wall, cpu = min(one[0] for one in starts), min(one[1] for one in starts)
    print(f"\nhub up, exec to the first accepted webhook: {wall:.2f} s at best of {rounds},"
          f" {cpu:.2f} s of CPU (goal 1.5 s)")  # fmt: skip
    print(f"hub up, after 128 connections: PSS {pss:.0f} MB, RSS {rss:.0f} MB (goal 120 MB)")


def pipeline(folder: Path, per_second: float = 300, seconds: float = 10) -> None:
    """p99 at a steady pace while the pipeline turns what comes into tasks."""
    with hub_up(folder) as (port, _, _):
        asyncio.run(open_loop(port, 50, 2))  # warm up
        load = asyncio.run(open_loop(port, per_second, seconds, fresh=True))
    print(f"\nhub up at {per_second:g} deliveries/s (open loop), the pipeline working:"
          f" p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms, {load.refused} refused"
          " (goal p99 100 ms)")  # fmt: skip


def fairness(folder: Path, seconds: float = 8) -> None:
    """A quiet sender alone, and beside one that floods with 256 connections."""
    url = f"sqlite:///{folder / 'fairness.db'}"
    apply_workspace(url)
    from bench.intake import serving

    with serving("product", url) as (port, _):
        asyncio.run(open_loop(port, 20, 2))  # warm up
        alone = asyncio.run(open_loop(port, 20, seconds))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            place = tempfile.mkdtemp(dir=folder)
            flood = pool.apply_async(_flood, (place, port, seconds + 4))
            time.sleep(2)
            beside = asyncio.run(open_loop(port, 20, seconds))
            noise: Load = flood.get()
    print(f"\na quiet sender at 20/s: p99 {alone.p99:.1f} ms alone, {beside.p99:.1f} ms beside one"
          f" that floods with 256 connections ({noise.rate:,.0f}/s accepted,"
          f" {noise.refused} refused): {beside.p99 / alone.p99:.1f}x (goal 2x)")  # fmt: skip


def _flood(folder: str, port: int, seconds: float) -> Load:
    return Generator(Path(folder), "/webhooks/noisy").run(port, 256, seconds)
