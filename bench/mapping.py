"""What a mapping costs per record, both ways, beside hand-written code and the languages of others.

Run with `python -m bench.mapping`, in one process on one core. All ways give the same values, which
is checked first. Then a million records go through, none of which is kept, and memory is printed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from bench._mapping_peers import PEERS
from bench._ticket import CONDITIONAL, MAPPING, RECORD, Everyone, back_by_hand, by_hand
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.language import load_mapping

BOTH_WAYS = ("by hand, inward", "by hand, outward")


def _microseconds(works: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The best of many short turns per way, per call.

    The ways take turns, so that a busy or slow moment of the machine falls on all of them.
    """
    rounds = {}
    for name, work in works.items():
        start = time.perf_counter()
        for _ in range(200):
            work()
        rounds[name] = max(20, round(200 * 0.01 / (time.perf_counter() - start)))
    best = dict.fromkeys(works, float("inf"))
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(rounds[name]):
                work()
            best[name] = min(best[name], (time.perf_counter() - start) / rounds[name])
    return {name: took * 1e6 for name, took in best.items()}


def ticket_mapping(without: str = "") -> CompiledMapping:
    """The bench's mapping, compiled; `without` leaves one field out."""
    spec, findings = load_mapping("bench.yaml", MAPPING)
    if spec is None or findings:
        raise SystemExit("\n".join(map(str, findings)))
    fields = {name: field for name, field in spec.fields.items() if name != without}
    return compile_mapping(replace(spec, fields=fields))


def measure(seconds: float = 12.0) -> dict[str, float]:
    """Microseconds per record of each way, measured for `seconds` in all."""
    compiled, directory = ticket_mapping(), Everyone()
    unconditional = ticket_mapping(without=CONDITIONAL)
    mapped = compiled.inward(RECORD, directory, "desk")
    expected = by_hand(RECORD, directory)
    if mapped.problems or mapped.values != expected:
        raise SystemExit(f"the ways differ: {mapped.problems} {mapped.values} {expected}")
    outward = compiled.outward(mapped.values, directory, "desk")
    if outward.problems or outward.fields != back_by_hand(expected, directory):
        raise SystemExit(f"the ways back differ: {outward} {back_by_hand(expected, directory)}")
    peers = {name: make(directory) for name, make in PEERS.items()}
    for name, run in peers.items():
        if run(RECORD) != expected:
            raise SystemExit(f"{name} differs: {run(RECORD)} {expected}")
    raw = orjson.dumps(RECORD)
    ways: dict[str, Callable[[], Any]] = {
        "by hand, inward": lambda: by_hand(RECORD, directory),
        "ours, inward": lambda: compiled.inward(RECORD, directory, "desk"),
        "ours, without the condition": lambda: unconditional.inward(RECORD, directory, "desk"),
        "by hand, outward": lambda: back_by_hand(expected, directory),
        "ours, outward": lambda: compiled.outward(expected, directory, "desk"),
        "decoding the JSON (orjson)": lambda: orjson.loads(raw),
    }
    for name, run in peers.items():
        ways[name] = lambda run=run: run(RECORD)  # type: ignore[misc]
    return _microseconds(ways, seconds)


def memory(records: int) -> None:
    """Decode, map in and map out this many records, keep none, and print the peak on the way."""
    compiled, directory = ticket_mapping(), Everyone()
    before, after = orjson.dumps(RECORD).split(b'"id":35436', 1)
    start = time.perf_counter()
    for number in range(1, records + 1):
        record = orjson.loads(b'%s"id":%d%s' % (before, number, after))
        record["ticket"]["subject"] = f"Ticket {number}"
        mapped = compiled.inward(record, directory, "desk")
        compiled.outward(mapped.values, directory, "desk")
        if number in (10_000, 100_000, records):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            megabytes = peak / (1024 if sys.platform != "darwin" else 1024**2)
            rate = number / (time.perf_counter() - start)
            print(f"after {number:>9,} records, in and out: {megabytes:6.1f} MB peak,"
                  f" {rate:,.0f} records/s with decoding")  # fmt: skip


def main() -> None:
    """Print each way with its ratio to hand-written code, then the memory."""
    took = measure()
    print(f"one ticket of {len(json.dumps(RECORD)) / 1000:.1f} kB, 20 fields, one core")
    for name, microseconds in took.items():
        hand = took["by hand, outward" if name.endswith("outward") else "by hand, inward"]
        print(
            f"{name:28}{microseconds:9.1f} µs {1e6 / microseconds:10,.0f} records/s"
            f" {microseconds / hand:7.2f} x by hand"
        )
    times = took["jsonpath-ng per field"] / took["ours, inward"]
    print(f"ours inward is {times:.0f} times as fast as jsonpath-ng per field")
    memory(1_000_000)


if __name__ == "__main__":
    main()
