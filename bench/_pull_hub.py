"""The hub as it pulls, in a process of its own: `python -m bench._pull_hub URL PAGE COUNT`.

A workspace with one `rest` connection, a mapping of nine fields and five people, over the embedded
store. Three pulls: everything, then what changed (nothing), then everything once more although
nothing differs. A pull counts as done when no stage has anything left to do; then every ticket must
be a task with a link that holds its snapshot. `--read` measures the connector alone, `--profile`
shows the first pull under cProfile. The last line is what was found, as JSON.
"""

from __future__ import annotations

import cProfile
import json
import multiprocessing
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.sdk import Source
from hub import memory
from hub.apply import apply
from hub.flow.ahead import pages_ahead
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.drain import drain
from hub.flow.intake import parse_deliveries
from hub.flow.pull import pull
from hub.hub import Hub, open_hub, system_clock
from hub.registry import connector_class
from hub.settings import Settings
from hub.store import events, tables

_HUB = """
name: bench
connections:
  desk:
    connector: rest
    base_url: {url}
    auth: {{token: env:TOKEN}}
    service: desk
"""
_SERVICE = """
title: Desk
auth: {{type: bearer}}
objects:
  ticket:
    updated_at: updated_at
    url: "https://desk.example/tickets/{{id}}"
    actor: updated_by
    list:
      path: /tickets
      records: tickets
      paging: {{kind: cursor, parameter: after, next: next, size_parameter: limit, size: {page}}}
      since: {{parameter: updated_since, format: iso_ms}}
    get: {{path: "/tickets/{{id}}", record: ticket}}
    update: {{path: "/tickets/{{id}}", wrap: ticket, answer: ticket}}
"""
_MAPPING = """
mapping: desk-ticket
connection: desk
object: ticket
entity: task
direction: both
conflict: review
fields:
  title: $.subject
  description: $.description
  status:
    from: $.status
    values: {new: open, open: in_progress, pending: on_hold, hold: on_hold, solved: done,
             closed: done}
    back: {on_hold: hold, done: solved, cancelled: closed}
  priority: $.priority
  due: {from: $.due_on, as: date}
  assignee: {from: $.assignee.email, as: party}
  labels: $.tags
  custom.amount: {from: $.amount, as: decimal, direction: in}
  custom.url: {from: $.url, direction: in}
"""
_PEOPLE = """
people:
  ann: {name: Ann, email: ann@desk.example}
  ben: {name: Ben, email: ben@desk.example}
  cleo: {name: Cleo, email: cleo@desk.example}
  dana: {name: Dana, email: dana@desk.example}
  eli: {name: Eli, email: eli@desk.example}
"""
_REST = connector_class("rest")
CLASSES = {"rest": _REST} if _REST else {}
"""As `hub` has them: those that the workspace names."""
_ENV = {"TOKEN": "token-of-the-bench"}
_ROWS = (tables.tasks, tables.links, tables.events, tables.records, tables.pushes)


def workspace(url: str, page: int) -> dict[str, str]:
    """The files of the workspace."""
    return {
        "hub.yaml": _HUB.format(url=url),
        "services/desk.yaml": _SERVICE.format(page=page),
        "mappings/ticket.yaml": _MAPPING,
        "people.yaml": _PEOPLE,
    }


def prepared(folder: Path) -> Hub:
    """A hub over the database of this folder."""
    database = f"sqlite:///{folder / 'hub.db'}"
    settings = Settings(folder, database, None, b"a-key-of-the-bench-long-enough")
    return open_hub(settings, CLASSES, env=_ENV)


def set_up(folder: Path, url: str, page: int) -> None:
    """Make the database and apply the workspace, which takes memory that a pull does not."""
    hub = prepared(folder)
    files = workspace(url, page)
    apply(hub.database, files, CLASSES, system_clock(), env=_ENV, force=True)
    hub.database.close()


@contextmanager
def hub_of(folder: Path, url: str, page: int) -> Iterator[Hub]:
    """A hub whose workspace another process has applied."""
    process = multiprocessing.get_context("spawn").Process(target=set_up, args=(folder, url, page))
    process.start()
    process.join()
    hub = prepared(folder)
    try:
        yield hub
    finally:
        hub.database.close()


def settle(hub: Hub, *, full: bool) -> int:
    """One pull, and every stage after it until none has anything left; how many were seen."""
    pulled = pull(hub, "desk", "ticket", full=full, force=True)
    if pulled.error or pulled.busy:
        raise RuntimeError(f"The pull did not come to its end: {pulled}")
    while parse_deliveries(hub) + bring_in(hub) + deliver(hub) + drain(hub):
        pass
    return pulled.seen


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock and of CPU time (of this process), and what it gave."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - clock, time.process_time() - cpu, found


def rows(hub: Hub) -> dict[str, int]:
    """How many rows the tables hold that a pull writes to, and whatever it left undone."""
    with hub.database.read() as tx:
        counts = {
            table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in _ROWS
        }
        counts["snapshots"] = (
            tx.scalar(sa.select(sa.func.count()).where(sa.func.length(tables.links.c.data) > 99))
            or 0
        )
        counts["waiting"] = (
            tx.scalar(sa.select(sa.func.count()).where(tables.records.c.status != "done")) or 0
        )
        counts["exceptions"] = tx.scalar(sa.select(sa.func.count(tables.exceptions.c.id))) or 0
    return counts


@contextmanager
def written(hub: Hub) -> Iterator[dict[str, int]]:
    """How many rows of these tables are inserted, changed or deleted in the block, by triggers."""
    counts: dict[str, int] = {}
    with hub.database.write() as tx:
        tx.exec_driver_sql("CREATE TABLE bench_written (name TEXT)")
        for table in _ROWS:
            for what in ("INSERT", "UPDATE", "DELETE"):
                note = f"INSERT INTO bench_written VALUES ('{table.name}')"  # noqa: S608
                tx.exec_driver_sql(
                    f"CREATE TRIGGER bench_{table.name}_{what} AFTER {what} ON {table.name}"
                    f" BEGIN {note}; END"
                )
    yield counts
    with hub.database.read() as tx:
        for name, count in tx.exec_driver_sql(
            "SELECT name, count(*) FROM bench_written GROUP BY name"
        ):
            counts[name] = count


def measure(hub: Hub, count: int) -> dict[str, Any]:
    """The three pulls. Raises RuntimeError where anything is missing."""
    started = _peak()
    first = timed(lambda: settle(hub, full=False))
    held = rows(hub)
    whole = {"tasks": count, "links": count, "snapshots": count, "waiting": 0, "exceptions": 0}
    if first[2] != count or any(held[name] != number for name, number in whole.items()):
        raise RuntimeError(f"Of {count} tickets {first[2]} were seen, and there are {held}")
    sealing = timed(lambda: _seal(hub))
    peak = _peak()
    with written(hub) as counts:
        nothing = timed(lambda: settle(hub, full=False))
        again = timed(lambda: settle(hub, full=True))
    if again[2] != count:
        raise RuntimeError(f"Pulled again, {again[2]} of {count} were seen.")
    return {
        "rows": count,
        "seconds": first[0],
        "cpu": first[1],
        "started": started,
        "peak": peak,
        "sealing": sealing[1],
        "nothing": nothing[0],
        "nothing_cpu": nothing[1],
        "again": again[0],
        "again_cpu": again[1],
        "again_peak": _peak(),
        "again_written": counts,
    }


def _peak() -> float:
    """The most memory this process ever held, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("This system does not say how much memory a process held.")


def _seal(hub: Hub) -> None:
    """Seal the history, which a hub does in the background."""
    while True:
        with hub.database.write() as tx:
            if not events.seal(tx):
                return


def read(hub: Hub) -> int:
    """What the connector alone hands over, a page ahead; how many."""
    connector = hub.live.current().connector("desk")
    assert isinstance(connector, Source)  # noqa: S101 - `rest` can be read
    with pages_ahead(connector.pull("ticket", {}, frozenset())) as pages:
        return sum(len(page.records) for page in pages)


def profile(hub: Hub) -> None:
    """The first pull under cProfile: the twenty functions that take most, by their own time."""
    watched = cProfile.Profile()
    watched.runcall(settle, hub, full=False)
    pstats.Stats(watched).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    memory.begin()
    address, size, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as place, hub_of(Path(place), address, size) as opened:
        memory.settle()
        if "--profile" in sys.argv:
            profile(opened)
        elif "--read" in sys.argv:
            seconds, cpu, seen = timed(lambda: read(opened))
            print(json.dumps({"rows": seen, "seconds": seconds, "cpu": cpu, "peak": _peak()}))
        else:
            print(json.dumps(measure(opened, number)))
