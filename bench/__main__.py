"""`make bench`: every benchmark in turn, each with its figure and its rival's of the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run each module of this folder in a process of its own."""
    failed = 0
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if not file.stem.startswith("_"):
            print(f"\n=== bench.{file.stem}", flush=True)
            failed |= subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", f"bench.{file.stem}"], check=False
            ).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
