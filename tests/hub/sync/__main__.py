"""A longer hunt for histories that end wrong: `python -m tests.hub.sync`.

`--histories N` says how many, `--seed N` where to begin; it stops at the first that goes wrong and
prints the shortest form of it. `--lines FILE` plays such lines once more and shows what became of
everything.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from tests.hub.sync.ground import Grounds, grounds
from tests.hub.sync.hunt import hunt, quiet
from tests.hub.sync.machine import Machine
from tests.hub.sync.verdict import account

ROUND = 250


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hub.sync", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--lines", type=Path)
    asked = parser.parse_args()
    with grounds() as found, quiet():
        if asked.lines:
            return again(found, asked.lines.read_text())
        done, number, began = 0, asked.seed, time.process_time()
        while done < asked.histories:
            some = min(ROUND, asked.histories - done)
            hunt(found, some, number)
            done, number = done + some, number + 1
            took = time.process_time() - began
            print(
                f"{done} histories are well ({took / done:.2f} s each); seed {number}", flush=True
            )
    return 0


def again(found: Grounds, lines: str) -> int:
    """Play a history from the lines in which hypothesis prints it."""
    here = {"Machine": type("Machine", (Machine,), {"grounds": found})}
    try:
        exec(lines, here)  # noqa: S102 - the lines are the tester's own
    except AssertionError as error:
        print(error)
        for line in account(here["state"].scene):  # type: ignore[attr-defined]
            print(line)
        return 1
    print("It ends well.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
