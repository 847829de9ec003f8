"""What was answered 2xx is neither lost nor processed twice, whatever is killed.

As in: python -m tests.kill_intake --deliveries 20000 --kills 40 --seed 7
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.kill_intake.run import run


def main() -> int:
    """0 if nothing was lost and nothing happened twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_intake", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000, metavar="N")
    parser.add_argument("--kills", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--quiet", action="store_true", help="only the result")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    report = run(
        args.deliveries,
        args.kills,
        args.seed,
        scaled=args.database == "postgresql",
        tell=(lambda line: None) if args.quiet else (lambda line: print(line, flush=True)),
    )
    print("\n".join(report.lines()))
    if report.faults:
        print(report.log, file=sys.stderr)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
