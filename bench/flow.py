"""How fast stored deliveries become tasks and outbox rows: `python -m bench.flow [COUNT] [URL]`.

GitHub webhooks that are stored already go through normalize, merge, route and outbox, in one
thread, in batches as in a running hub: half of them open an issue, half change one that is known
and mirrored in a second connection, so that the change goes out. One rule looks at each task. With
the URL of an empty PostgreSQL database, that is measured too. Beside it, in the same run, what a
plain program needs that does the least one can do with the same deliveries. Then: how long a change
takes from its webhook to its push, in a whole hub.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from bench import _flow_floor, _flow_latency, _intake_load
from hub import memory
from hub.apply import apply
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.hub import Hub, open_hub, system_clock
from hub.registry import connector_classes
from hub.settings import Settings
from hub.store import events, inbox, tables
from hub.store import work as work_store
from webhooks.inbox import Incoming

_CONNECTION = """
  {name}:
    connector: github
    base_url: {url}
    repositories: [acme/{repository}]
    auth: {{token: env:TOKEN}}
    webhook: {{secret: env:SECRET}}
"""
PEOPLE = """
people: {dana: {name: Dana, email: dana@acme.test}}
identities: {github: {dana: dmeier}, mirror: {dana: dmeier}}
"""
RULES = """
rules:
  - rule: urgent
    when: task.*
    if: "'urgent' in task.labels && task.priority != 'urgent'"
    then:
      - update_task: {priority: urgent}
"""
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BASE = "https://api.github.test"
ENV = {"TOKEN": "token-of-the-bench", "SECRET": "secret-of-the-bench-long-enough"}


def body_of(number: int, action: str, second: int) -> bytes:
    """One `issues` delivery, as the bench of the intake sends it."""
    at = (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _intake_load.body_of(number, action, at)


def workspace(url: str = BASE) -> dict[str, str]:
    """Two connections and a rule. The second one holds a mirror of every task, so that each change
    in the first goes out.
    """
    both = "".join(
        _CONNECTION.format(name=name, url=url, repository=repository)
        for name, repository in (("github", "ops"), ("mirror", "mirror"))
    )
    return {
        "hub.yaml": f"name: bench\nconnections:{both}",
        "people.yaml": PEOPLE,
        "rules/all.yaml": RULES,
    }


def store(hub: Hub, bodies: Sequence[bytes], first: int) -> None:
    """Store deliveries as the intake does; `first` numbers them."""
    for start in range(0, len(bodies), 1000):
        batch = [
            Incoming(
                connection="github",
                delivery_id=str(first + start + at),
                received_at=datetime.now(UTC),
                method="POST",
                url="http://hub/webhooks/github",
                headers={"x-github-event": "issues", "content-type": "application/json"},
                body=body,
                body_hash=hashlib.sha256(body).hexdigest(),
                verdict="genuine",
                capture=False,
            )
            for at, body in enumerate(bodies[start : start + 1000])
        ]
        with hub.database.write() as tx:
            inbox.store(tx, batch)


def work(hub: Hub) -> None:
    """Both stages until nothing waits."""
    while parse_deliveries(hub) + bring_in(hub):
        pass


def seal(hub: Hub) -> int:
    """Seal what happened; how many events."""
    count = 0
    while True:
        with hub.database.write() as tx:
            some = events.seal(tx)
        if not some:
            return count
        count += some


def mirror(hub: Hub) -> None:
    """Link every task to a record of the second connection, as its create would have."""
    with hub.database.write() as tx:
        tasks = tx.scalars(sa.select(tables.tasks.c.id)).all()
        now = datetime.now(UTC)
        work_store.insert_links(
            tx,
            [
                work_store.new_link("task", id, "mirror", "issue", str(number), now)
                for number, id in enumerate(tasks)
            ],
        )


def run(count: int, database_url: str | None = None) -> float:
    """Deliveries a second through to the outbox, by the clock and by CPU time. The CPU seconds of
    one.
    """
    with tempfile.TemporaryDirectory() as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'hub.db'}"
        settings = Settings(Path(folder), url, None, b"a-key-of-the-bench-long-enough")
        hub = open_hub(settings, connector_classes(), env=ENV)
        try:
            apply(
                hub.database, workspace(), connector_classes(), system_clock(), env=ENV, force=True
            )
            return _measured(hub, count)
        finally:
            hub.database.close()


def deliveries(count: int) -> tuple[list[bytes], list[bytes]]:
    """What came before, and what is measured: changes of that, and as many that nobody knows."""
    half = count // 2
    before = [body_of(number, "opened", 0) for number in range(1, half + 1)]
    return before, [
        body_of(number, "edited", 60) if even else body_of(half + number, "opened", 60)
        for number in range(1, half + 1)
        for even in (True, False)
    ]


def _measured(hub: Hub, count: int) -> float:
    half = count // 2
    before, bodies = deliveries(count)
    store(hub, before, 0)
    work(hub)
    mirror(hub)
    seal(hub)
    store(hub, bodies, half)
    clock, cpu = time.perf_counter(), time.process_time()
    work(hub)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    sealing = time.process_time()
    sealed = seal(hub)
    sealing = time.process_time() - sealing
    with hub.database.read() as tx:
        tasks = tx.scalar(sa.select(sa.func.count()).select_from(tables.tasks))
        pushes = tx.scalar(sa.select(sa.func.count()).select_from(tables.pushes))
    if (tasks, pushes) != (count, half):
        raise RuntimeError(f"{tasks} tasks and {pushes} pushes of {count} deliveries")
    print(
        f"{hub.database.engine.dialect.name:10} {2 * half / clock:7.0f} events/s by the clock,"
        f" {2 * half / cpu:7.0f} by CPU time ({cpu / 2 / half * 1e6:.0f} us each);"
        f" sealing {sealing / 2 / half * 1e6:.0f} us more for {sealed / 2 / half:.1f} entries"
    )
    return cpu / 2 / half


def floor(count: int) -> float:
    """The same by a plain program. The CPU seconds of one."""
    before, bodies = deliveries(count)
    with tempfile.TemporaryDirectory() as folder:
        clock, cpu = _flow_floor.measure(Path(folder), before, bodies)
    print(
        f"{'plain':10} {len(bodies) / clock:7.0f} events/s by the clock,"
        f" {len(bodies) / cpu:7.0f} by CPU time ({cpu / len(bodies) * 1e6:.0f} us each)"
    )
    return cpu / len(bodies)


def compare(count: int) -> None:
    """The hub beside the plain program, in turns: a loaded machine slows down both."""
    ratios = []
    for _ in range(3):
        plain = floor(count)
        ratios.append(plain / run(count))
    print(
        f"the hub reaches {statistics.median(ratios):.2f} of the plain program by CPU time"
        f" ({', '.join(f'{ratio:.2f}' for ratio in ratios)}); to reach: 0.56"
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    memory.settle()
    compare(count)
    if len(sys.argv) > 2:
        run(count, sys.argv[2])
    _flow_latency.measure()
