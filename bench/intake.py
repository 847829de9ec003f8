"""Deliveries a second through the intake beside what they could be at best:
`python -m bench.intake [--seconds 3] [--rounds 3] [--quick] [--peers] [--only throughput …]`.

One run on one machine, rounds interleaved, medians: figures drift with the neighbours, ratios less,
and CPU per request least. `docs/performance.md` says what was measured last.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bench import _intake_hub as whole
from bench import _intake_peers as peers
from bench._intake_load import Generator, Load, cpu_seconds, memory
from hub.store.database import Database
from tests import servers

CONNECTIONS = (1, 32, 128)
GOAL = 0.75


@dataclass(slots=True)
class Rival:
    """One server under test and what its rounds gave. `others` are processes that work for it."""

    name: str
    port: int
    processes: Sequence[subprocess.Popen[str]]
    others: Sequence[int] = ()
    stored: Callable[[], int] | None = None
    against: str | None = None
    loads: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    sizes: tuple[float, float] = (0.0, 0.0)

    def pids(self) -> list[int]:
        return [one.pid for one in self.processes]

    @property
    def rate(self) -> float:
        return statistics.median(one.rate for one in self.loads)


def _socket(port: int = 0) -> socket.socket:
    """One of several listening sockets on one port; the kernel shares the connections out."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(512)
    return made


@contextmanager
def serving(
    kind: str, place: str, count: int = 1
) -> Iterator[tuple[int, list[subprocess.Popen[str]]]]:
    """`count` processes of one kind on one port."""
    started: list[subprocess.Popen[str]] = []
    port = 0
    try:
        for _ in range(count):
            with _socket(port) as sock:
                port = sock.getsockname()[1]
                started.append(
                    subprocess.Popen(  # noqa: S603 - our own module
                        [sys.executable, "-m", "bench._intake_servers", kind, str(sock.fileno()),
                         place],
                        pass_fds=[sock.fileno()], stdout=subprocess.PIPE, text=True,
                        env=os.environ | whole.ENVIRONMENT,
                    )
                )  # fmt: skip
        for one in started:
            assert one.stdout is not None  # noqa: S101 - it is a pipe
            if one.stdout.readline() != "ready\n":
                raise RuntimeError(f"The server {kind} did not start.")
        yield port, started
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(30)
            if one.stdout is not None:
                one.stdout.close()


def _applied(database_url: str) -> str:
    """The URL of a database with the bench's workspace in force."""
    whole.apply_workspace(database_url)
    return database_url


def _counting(url: str, table: str) -> Callable[[], int]:
    engine = Database(url).engine

    def count() -> int:
        with engine.connect() as connection:
            counted = sa.select(sa.func.count()).select_from(sa.table(table))
            return int(connection.scalar(counted) or 0)

    return count


@contextmanager
def rivals(folder: Path, postgresql: str | None, *, node_red: Path | None) -> Iterator[list[Rival]]:
    """Everything that is measured, started and idle."""
    with ExitStack() as stack:
        made: list[Rival] = []

        def add(name: str, kind: str, place: str, count: int = 1, **more: object) -> None:
            port, started = stack.enter_context(serving(kind, place, count))
            made.append(Rival(name, port, started, **more))  # type: ignore[arg-type]

        add("HMAC only, no storage", "bare", "-")
        add("append + fdatasync", "file", str(folder / "log"))
        path = folder / "reference.db"
        add("(b) bare, SQLite FULL", "reference-sqlite", str(path),
            stored=_counting(f"sqlite:///{path}", "reference"))  # fmt: skip
        url = _applied(f"sqlite:///{folder / 'product.db'}")
        add("(a) hub, SQLite FULL", "product", url, against="(b) bare, SQLite FULL",
            stored=_counting(url, "deliveries"))  # fmt: skip
        if postgresql is not None:
            fresh = [stack.enter_context(servers.fresh_database(postgresql)) for _ in range(4)]
            server = [whole.postmaster(fresh[0])]
            for count in (1, 2):
                more = "" if count == 1 else ", 2 processes"
                bare, url = fresh[count - 1], _applied(fresh[count + 1])
                with Database(bare).engine.begin() as connection:
                    connection.exec_driver_sql("CREATE TABLE reference (id text, body bytea)")
                add("(b) bare, PostgreSQL" + more, "reference-postgresql", bare, count,
                    others=server, stored=_counting(bare, "reference"))  # fmt: skip
                add("(a) hub, PostgreSQL" + more, "product", url, count, others=server,
                    stored=_counting(url, "deliveries"),
                    against="(b) bare, PostgreSQL" + more)  # fmt: skip
        if node_red is not None:
            port, started = stack.enter_context(peers.node_red(node_red))
            made.append(Rival("Node-RED + better-sqlite3 FULL", port, [started]))
        yield made


def throughput(chosen: argparse.Namespace, folder: Path, postgresql: str | None) -> None:
    """The table of rates, and what every one of them stored."""
    generator = Generator(folder)
    node_red = None
    if chosen.peers:
        try:
            node_red = peers.install(folder)
        except (peers.NotInstalled, subprocess.TimeoutExpired) as error:
            print(f"Node-RED is left out: {error}")
        print(peers.RECORDED)
    print(f"load by {generator.name}; {chosen.rounds} rounds of {chosen.seconds:g} s, interleaved")
    for connections in chosen.connections:
        with (
            tempfile.TemporaryDirectory(dir=folder) as place,
            rivals(Path(place), postgresql, node_red=node_red) as found,
        ):
            for one in found:
                generator.run(one.port, connections, 1)  # warm up
            for turn in range(chosen.rounds):
                for one in found[turn % len(found) :] + found[: turn % len(found)]:
                    _round(one, generator, connections, chosen.seconds)
            _table(found, connections)


def _round(one: Rival, generator: Generator, connections: int, seconds: float) -> None:
    before = cpu_seconds([*one.pids(), *one.others])
    rows = one.stored() if one.stored else 0
    load = generator.run(one.port, connections, seconds)
    if load.refused:
        raise RuntimeError(f"{one.name} refused {load.refused} deliveries.")
    time.sleep(0.1)  # what is on its way when wrk stops still costs and counts
    used = cpu_seconds([*one.pids(), *one.others]) - before
    if (
        one.stored
        and not load.accepted <= (got := one.stored() - rows) <= load.accepted + connections
    ):
        raise RuntimeError(f"{one.name} answered 2xx to {load.accepted} and stored {got}.")
    one.loads.append(load)
    one.cpu.append(used * 1000 / load.accepted)
    sizes = [memory(pid) for pid in one.pids()]
    one.sizes = (sum(pss for pss, _ in sizes), sum(rss for _, rss in sizes))


def _table(found: list[Rival], connections: int) -> None:
    print(f"\n{connections} connections{'':<18}{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}"
          f"{'cpu-ms/req':>12}{'PSS MB':>8}{'RSS MB':>8}  of (b): rate, cpu")  # fmt: skip
    by_name = {one.name: one for one in found}
    for one in found:
        p50, p99 = (
            statistics.median(getattr(load, name) for load in one.loads) for name in ("p50", "p99")
        )
        cpu = statistics.median(one.cpu)
        against = by_name.get(one.against or "")
        ratio = ""
        if against is not None:
            pairs = [
                mine.rate / theirs.rate
                for mine, theirs in zip(one.loads, against.loads, strict=True)
            ]
            share = statistics.median(pairs)
            ratio = f"  {share:.0%}, {cpu / statistics.median(against.cpu):.2f}x"
            if connections > 1:
                ratio += "" if share >= GOAL else f"  below the goal of {GOAL:.0%}"
        print(f"{one.name:<32}{one.rate:>8,.0f}{p50:>9.2f}{p99:>9.2f}{cpu:>12.3f}"
              f"{one.sizes[0]:>8.0f}{one.sizes[1]:>8.0f}{ratio}", flush=True)  # fmt: skip


def syncs(folder: Path, seconds: float = 1.0) -> None:
    """How often this disk makes 4 KB durable: the limit of one commit for each delivery."""
    file = os.open(folder / "syncs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
        count += 1
    os.close(file)
    print(f"4 KB append + fdatasync, one by one: {count / (time.perf_counter() - began):,.0f}/s")


PARTS = ("throughput", "pipeline", "fairness", "start")


def main() -> None:
    """Measure the chosen parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS))
    parser.add_argument("--folder", help="where the databases go; a real disk, not memory")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--no-postgresql", action="store_true")
    parser.add_argument("--peers", action="store_true", help="install and measure Node-RED as well")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=chosen.folder, prefix="bench-intake-") as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        os.environ |= whole.prepare(folder)
        syncs(folder)
        postgresql = None if chosen.no_postgresql else stack.enter_context(servers.postgres())
        if "throughput" in chosen.only:
            throughput(chosen, folder, postgresql)
        if "start" in chosen.only:
            whole.starting(folder)
        if "pipeline" in chosen.only:
            whole.pipeline(folder)
        if "fairness" in chosen.only:
            whole.fairness(folder)


if __name__ == "__main__":
    main()
