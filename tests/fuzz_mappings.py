"""A longer hunt for records that a mapping does not survive: `python -m tests.fuzz_mappings`.

`--seconds N` says how long, `--seed N` where to begin. It draws what `test_hostile_records` draws,
holds the written source to the general way on every record, and stops at the first failure with the
record in its smallest form. A record that takes long counts as a failure too.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.mappings.hostile import (
    RECORD,
    Anybody,
    anything,
    every_mapping,
    general_inward,
    general_outward,
    made,
    mutated,
    mutations,
    survive,
    texts,
)

ROUND = 500
SLOW = 5.0
"""Seconds of processor time for one record through one mapping; the usual one takes 0.001."""


def hunt(seconds: float, first: int) -> tuple[int, float]:
    """Rounds of examples until the time is over: how many ran, and the slowest of them."""
    compiled = every_mapping()
    until = time.monotonic() + seconds
    count, slowest = 0, 0.0
    records = mutations.map(mutated) | st.dictionaries(
        st.sampled_from([*RECORD, "x"]) | texts, anything, max_size=10
    ).map(made)

    def one(mapping: Any, record: dict[str, Any]) -> None:
        nonlocal count, slowest
        began = time.thread_time()
        survive(mapping, record)
        mapped = mapping.inward(record, Anybody(), "desk")
        assert mapped == general_inward(mapping, record)
        values = dict.fromkeys(mapping.spec.fields) | mapped.values
        assert mapping.outward(values, Anybody(), "desk") == general_outward(mapping, values)
        took = time.thread_time() - began
        assert took < SLOW, f"{took:.1f} s for one record"
        count, slowest = count + 1, max(slowest, took)

    number = first
    while time.monotonic() < until:
        test = given(st.sampled_from(compiled), records)(one)
        seed(number)(
            settings(
                max_examples=ROUND,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(test)
        )()
        number += 1
    return count, slowest


def main() -> int:
    """Hunt, and say how much was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given_ = parser.parse_args()
    print(f"seed {given_.seed}", flush=True)
    count, slowest = hunt(given_.seconds, given_.seed)
    print(f"{count:,} records survived both ways; the slowest took {slowest * 1000:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
