"""One run: a hub on a throw-away workspace, a sender, and `kill -9` at random moments of it."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
import yaml

from connectors.salesforce.sandbox import SalesforceSandbox
from hub.demo.supervise import Supervisor
from hub.demo.world import free_port
from hub.store import inbox, outbox, records
from hub.store.database import Database
from tests import servers
from tests.kill_intake.history import ForgetfulGithub, Life, as_delivered
from tests.kill_intake.sender import Sender
from tests.kill_intake.verdict import Verdict, judge

BACKLOG = 1500
"""Deliveries that may wait in the hub before the sender pauses: the kills are to meet both ends."""
GIVE_UP = 200.0
"""Seconds without any progress after which a run has failed."""
STARTUP = 90.0
RULES = """
rules:
  - rule: follow
    when: task.created
    if: "event.origin == 'github'"
    then:
      - create_task: {title: "Follow ${event.subject}", connection: crm, object: task}
  - rule: check
    when: task.completed
    if: "event.origin == 'github'"
    then:
      - create_task: {title: "Check ${event.id}", connection: crm, object: task}
"""
PEOPLE = """
people:
  dana: {name: Dana, email: dana@acme.test}
  lee: {name: Lee, email: lee@acme.test}
  sam: {name: Sam, email: sam@acme.test}
identities: {github: {dana: dmeier, lee: lkim, sam: octocat}}
"""


@dataclass(slots=True)
class Report:
    """What a run was, and what came of it. Empty `faults`: nothing lost, nothing doubled."""

    seed: int
    database: str
    deliveries: int
    sent: int = 0
    kills: int = 0
    starts: int = 0
    seconds: float = 0.0
    drained: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    log: str = ""

    @property
    def faults(self) -> list[str]:
        return self.verdict.faults

    def lines(self) -> Iterator[str]:
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.statuses.items())
        )
        yield f"seed {self.seed} on {self.database}: {self.deliveries} deliveries of GitHub"
        yield f"sent {self.sent} requests ({answers}), {self.kills} kills, {self.starts} starts"
        yield (
            f"{self.seconds:.0f} s under load ({self.deliveries / self.seconds:.0f} deliveries/s, "
            f"kills and starts included), {self.drained:.0f} s to drain"
        )
        yield from self.verdict.lines()


class Parts:
    """The processes of a hub: `hub up`, or the parts of a scaled one."""

    def __init__(self, home: Path, env: Mapping[str, str], *, scaled: bool) -> None:
        self.ports = [free_port(), free_port()] if scaled else [free_port()]
        self.supervisor = Supervisor(env, home / "hub.log")

        def command(*words: str) -> list[str]:
            return [sys.executable, "-m", "hub", *words]

        self.commands = {"hub": command("up", "--port", str(self.ports[0]))}
        if scaled:
            webs = {f"web{port}": command("web", "--port", str(port)) for port in self.ports}
            workers = {f"worker{number}": command("worker") for number in (1, 2)}
            self.commands = {**webs, **workers, "scheduler": command("scheduler")}

    def start(self) -> None:
        self.supervisor.start(**self.commands)

    def wait_for_answers(self) -> None:
        """Return once every port is listened on. Raises AssertionError where it never is."""
        given_up = time.monotonic() + STARTUP
        for port in self.ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    pass
                if time.monotonic() > given_up or self.starts > len(self.commands) + 3:
                    raise AssertionError(f"The hub does not start:\n{self.supervisor.tail(40)}")
                time.sleep(0.05)

    def kill(self, chance: random.Random) -> None:
        self.supervisor.kill(chance.choice(sorted(self.commands)))

    @property
    def starts(self) -> int:
        return sum(part.starts for part in self.supervisor.parts.values())


class Progress:
    """What still waits in the hub, looked up a few times a second."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.processed = 0
        self.waiting = (0, 0, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def look(self) -> None:
        with self.database.read() as tx:
            found: list[dict[str, int]] = []
            for queue in (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES):
                status = queue.table.c.status
                counts = sa.select(status, sa.func.count()).group_by(status)
                found.append({row[0]: row[1] for row in tx.execute(counts)})
        self.processed = sum(found[0].values()) - found[0].get(inbox.DELIVERIES.ready, 0)
        queues = (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES)
        first, second, third = (
            one.get(queue.ready, 0) for one, queue in zip(found, queues, strict=True)
        )
        self.waiting = (first, second, third)

    def _run(self) -> None:
        while not self._stop.wait(0.25):
            try:
                self.look()
            except sa.exc.SQLAlchemyError:
                continue  # the hub is still making its tables, or is being killed

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)


@contextmanager
def _database(home: Path, *, scaled: bool) -> Iterator[dict[str, str]]:
    """The environment that names an empty database."""
    if not scaled:
        yield {"HUB_DATABASE_URL": f"sqlite:///{home / 'hub.db'}"}
        return
    with (
        servers.postgres() as server,
        servers.fresh_database(server) as url,
        servers.redis() as redis,
    ):
        yield {
            "HUB_DATABASE_URL": url,
            "HUB_REDIS_URL": redis,
            "HUB_SECRET_KEY": "a-key-for-runs-under-kill-9-only",
        }


def run(
    deliveries: int,
    kills: int,
    seed: int,
    *,
    scaled: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Send so many deliveries under so many kills, drain, and judge."""
    report = Report(seed, "PostgreSQL" if scaled else "SQLite", deliveries)
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="hub-kill-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        database_env = stack.enter_context(_database(home, scaled=scaled))
        github = stack.enter_context(ForgetfulGithub())
        crm = stack.enter_context(SalesforceSandbox())
        Life(github, seed).live(deliveries)
        report.deliveries = len(github.sent)
        _write_workspace(home / "workspace", github, crm)
        env = {
            **os.environ, **github.env(), **crm.env(), **database_env,
            "HUB_WORKSPACE": str(home / "workspace"),
            "HUB_PUBLIC_URL": "https://hub.acme.test",
        }  # fmt: skip
        database = Database(database_env["HUB_DATABASE_URL"])
        stack.callback(database.close)
        if scaled:
            _apply(database, home / "workspace", env)
        parts = Parts(home, env, scaled=scaled)
        stack.callback(parts.supervisor.stop)
        parts.start()
        parts.wait_for_answers()
        progress = Progress(database)
        stack.callback(progress.stop)
        sender = Sender(
            parts.ports,
            "/webhooks/github",
            as_delivered(github.sent, seed),
            lambda: sender.accepted - progress.processed > BACKLOG,
        )
        stack.callback(sender.stop)
        began = time.monotonic()
        sender.start(8)
        _kill_under_load(report, parts, sender, progress, kills, seed, tell)
        report.seconds = time.monotonic() - began
        _drain(progress, parts, tell)
        report.drained = time.monotonic() - began - report.seconds
        sender.stop()
        progress.stop()
        parts.supervisor.stop()
        report.starts = parts.starts
        report.sent = sum(sender.count.values())
        report.statuses = dict(sender.count)
        report.verdict = judge(database, github, crm, sender)
        report.log = parts.supervisor.tail(40)
    return report


def _kill_under_load(
    report: Report,
    parts: Parts,
    sender: Sender,
    progress: Progress,
    kills: int,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """Kill at random counts of what was accepted or processed, and a random moment later; one kill
    in five follows the one before it at once, in the middle of starting.
    """
    chance = random.Random(seed + 2)
    total = report.deliveries
    marks = sorted(chance.uniform(0.01, 0.97) * total for _ in range(kills))
    for mark in marks:
        by = chance.choice(("accepted", "processed"))
        follows = chance.random() < 0.2
        last, moved = -1, time.monotonic()
        while not follows:
            now = sender.accepted if by == "accepted" else progress.processed
            if now >= mark or sender.done:
                break
            if now != last:
                last, moved = now, time.monotonic()
            if time.monotonic() - moved > GIVE_UP or parts.supervisor.failed:
                raise AssertionError(_stuck(parts, progress, f"{by} {now} of {mark:.0f}"))
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 2.5 if follows else 0.4))
        parts.kill(chance)
        report.kills += 1
        tell(
            f"kill {report.kills}: {sender.accepted} accepted, {progress.processed} processed, "
            f"{progress.waiting} wait"
        )
    last, moved = -1, time.monotonic()
    while not sender.done:
        if sender.accepted != last:
            last, moved = sender.accepted, time.monotonic()
        if time.monotonic() - moved > GIVE_UP or parts.supervisor.failed:
            raise AssertionError(_stuck(parts, progress, f"{sender.accepted} accepted"))
        time.sleep(0.02)


def _drain(progress: Progress, parts: Parts, tell: Callable[[str], None]) -> None:
    """Until nothing waits in any queue. Whatever waits for its time has it by then."""
    last, moved = (-1, -1, -1), time.monotonic()
    while True:
        try:
            progress.look()
        except sa.exc.OperationalError:
            continue
        if progress.waiting == (0, 0, 0):
            return
        if progress.waiting != last:
            last, moved = progress.waiting, time.monotonic()
            tell(f"draining: {last} deliveries, records and pushes wait")
        if time.monotonic() - moved > GIVE_UP or parts.supervisor.failed:
            raise AssertionError(_stuck(parts, progress, "draining"))
        time.sleep(0.2)


def _stuck(parts: Parts, progress: Progress, where: str) -> str:
    failed = parts.supervisor.failed or "nothing moves any more"
    return f"{failed} ({where}; {progress.waiting} wait)\n{parts.supervisor.tail(40)}"


def _write_workspace(folder: Path, github: ForgetfulGithub, crm: SalesforceSandbox) -> None:
    connections = {
        "github": {**github.connection(), "pull": {"every": "7d"}},
        "crm": {**crm.connection(), "pull": {"every": "7d"}},
    }
    (folder / "rules").mkdir(parents=True)
    (folder / "hub.yaml").write_text(
        yaml.safe_dump({"name": "kill-intake", "connections": connections})
    )
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "rules" / "all.yaml").write_text(RULES)


def _apply(database: Database, folder: Path, env: Mapping[str, str]) -> None:
    from hub.apply import apply
    from hub.hub import system_clock
    from hub.registry import connector_classes

    files = {
        str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*.yaml"))
    }
    database.migrate()
    apply(database, files, connector_classes(), system_clock(), env=env, force=True)
