"""How fast everything is pulled over HTTP, and what it costs to find that nothing is new.

`python -m bench.pull [--count N] [--rounds N] [--million] [--no-peers] [--profile]`. The hub pulls
100,000 tickets of 1 KB from a vendor on this machine until each is a task with a link and a
snapshot; beside it, in turns, dlt, a Singer tap and target, and loops that store what comes as it
comes. Each is a process of its own. Its clock starts when it has loaded what it needs; only that of
tap and target starts with them.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from bench import _pull_peers
from bench._pull_vendor import ticket, vendor

HUB = "hub: mapped, linked, kept, told"
TO_REACH = 2.5
"""Of the faster peer."""


@dataclass(slots=True)
class Seen:
    """What the rounds of one contestant gave."""

    rate: list[float] = field(default_factory=list)
    by_cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)

    def add(self, count: int, seconds: float, cpu: float, peak: float, nothing: float) -> None:
        self.rate.append(count / seconds)
        self.by_cpu.append(count / cpu)
        self.peak.append(peak)
        self.nothing.append(nothing)


Board = dict[str, Seen]


def hub(url: str, page: int, count: int, *flags: str) -> dict[str, Any]:
    """The hub, or its connector alone, in a process of its own."""
    module = [sys.executable, "-m", "bench._pull_hub", url, str(page), str(count), *flags]
    return _pull_peers.own_words(module)


def capacity(url: str, page: int, count: int) -> float:
    """Tickets a second that the vendor hands out to who only receives them."""
    address = urlsplit(url)
    line = http.client.HTTPConnection(address.hostname or "", address.port)
    began = time.perf_counter()
    for after in range(0, count, page):
        line.request("GET", f"/tickets?limit={page}&after={after}")
        line.getresponse().read()
    return count / (time.perf_counter() - began)


def one_round(
    board: Board, others: dict[str, _pull_peers.Pull], python: Path | None, url: str, page: int,
    count: int,
) -> dict[str, Any]:  # fmt: skip
    """Everybody once; what the hub said of itself."""
    said = hub(url, page, count)
    board[HUB].add(count, said["seconds"], said["cpu"], said["peak"], said["nothing"])
    for name, pull in others.items():
        if python is not None:
            first, second = _pull_peers.twice(pull, python, url, page, count)
            board[name].add(count, first.seconds, first.cpu, first.peak, second.seconds)
    return said


def show(board: Board) -> None:
    """The table of medians."""
    print(f"{'':38}records/s  by CPU time  peak MiB  nothing new")
    for name, seen in board.items():
        print(
            f"{name:36}{statistics.median(seen.rate):11,.0f}{statistics.median(seen.by_cpu):13,.0f}"
            f"{max(seen.peak):10.0f}{statistics.median(seen.nothing):11.3f} s"
        )


def against(board: Board, names: list[str], said: str) -> None:
    """What part of the fastest of these the hub reaches, round by round: load slows down both."""
    for what, pick in (("by the clock", "rate"), ("by CPU time", "by_cpu")):
        ours: list[float] = getattr(board[HUB], pick)
        best = max(names, key=lambda name: statistics.median(getattr(board[name], pick)))
        ratios = [a / b for a, b in zip(ours, getattr(board[best], pick), strict=True)]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{what}: {statistics.median(ratios):.2f} of {best} ({each}); {said}")


def again(runs: list[dict[str, Any]], count: int) -> None:
    """What a pull of everything costs where nothing differs."""
    rate = count / statistics.median(run["again"] for run in runs)
    cpu = count / statistics.median(run["again_cpu"] for run in runs)
    rows = max(sum(run["again_written"].values()) for run in runs)
    print(
        f"everything again, nothing changed: {rate:,.0f} records/s, {cpu:,.0f} by CPU time,"
        f" {rows} rows written"
    )
    sealing = statistics.median(run["sealing"] for run in runs) / count * 1e6
    print(f"sealing the history, in the background: {sealing:.0f} us of CPU time a record more")


def memory(sizes: list[tuple[int, dict[str, Any]]]) -> None:
    """The most that the hub's process held, by the number of records."""
    for count, said in sizes:
        print(
            f"hub, {count:9,} records: started with {said['started']:.0f} MiB, at most"
            f" {said['peak']:.0f} MiB, pulled again {said['again_peak']:.0f} MiB;"
            f" nothing new {said['nothing']:.3f} s"
        )


def profiled(count: int) -> None:
    """The hub's first pull under cProfile."""
    import subprocess

    with vendor(count) as url:
        module = [sys.executable, "-m", "bench._pull_hub", url, "100", str(count), "--profile"]
        subprocess.run(module, check=True)  # noqa: S603 - our own module


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pull", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="a million records, too")
    parser.add_argument("--no-peers", action="store_true", help="only the bare loops beside it")
    parser.add_argument("--profile", action="store_true", help="the hub alone under cProfile")
    chosen = parser.parse_args()
    if chosen.profile:
        profiled(chosen.count)
        return
    python = None
    try:
        python = _pull_peers.install()
    except _pull_peers.NotInstalled as why:
        print(f"the peers are not here: {why}")
    measure(python, chosen.count, chosen.rounds, peers=not chosen.no_peers, million=chosen.million)


def measure(python: Path | None, count: int, rounds: int, *, peers: bool, million: bool) -> None:
    """The rounds, and what they gave."""
    board: Board = defaultdict(Seen)
    large: Board = defaultdict(Seen)
    everybody = _pull_peers.BARE | (_pull_peers.PEERS if peers else {})
    runs = []
    with vendor(count) as url:
        size = len(orjson.dumps(ticket(count // 2)))
        print(
            f"{count:,} tickets of {size} bytes, 100 a page, {rounds} rounds in turns; the vendor"
            f" hands out {capacity(url, 100, count):,.0f} a second"
        )
        for _ in range(rounds):
            runs.append(one_round(board, everybody, python, url, 100, count))
            one_round(large, _pull_peers.BARE, python, url, 1000, count)
        read = hub(url, 100, count, "--read")
    show(board)
    if python is not None:
        if peers:
            against(board, list(_pull_peers.PEERS), f"to reach: {TO_REACH}")
        against(board, list(_pull_peers.BARE)[:1], "to come near: 0.5")
        print("\n1,000 a page:")
        show(large)
        against(large, list(_pull_peers.BARE)[:1], "to come near: 0.5")
    print(
        f"\nthe connector alone, through the SDK: {count / read['seconds']:,.0f} records/s,"
        f" {count / read['cpu']:,.0f} by CPU time"
    )
    again(runs, count)
    sizes = [(count, runs[-1])]
    for other in (count // 10, *([1_000_000] if million else [])):
        with vendor(other) as url:
            sizes.append((other, hub(url, 100, other)))
    memory(sorted(sizes, key=lambda one: one[0]))


if __name__ == "__main__":
    main()
