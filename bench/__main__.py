"""`make bench`: every benchmark in turn, each with its figure and its rival's of the same run.

`python -m bench intake flow` runs only those; `--write` also puts what each printed into
`docs/performance.md`, between the two marks that name it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "performance.md"


def main() -> int:
    """Run each module of this folder in a process of its own; 1 if any failed."""
    known = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(known)}; without one, all")
    parser.add_argument("--write", action="store_true", help="put the figures into the page")
    chosen = parser.parse_args()
    if unknown := set(chosen.name) - set(known):
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}.")
    failed = 0
    for name in chosen.name or known:
        print(f"\n=== bench.{name}", flush=True)
        code, printed = _run(name)
        failed |= code != 0
        if chosen.write and code == 0:
            PAGE.write_text(put(PAGE.read_text(), name, printed))
    return failed


def _run(name: str) -> tuple[int, str]:
    """The exit code and what was printed, which is shown as it comes."""
    lines = []
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-u", "-m", f"bench.{name}"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - piped above
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def put(page: str, name: str, printed: str) -> str:
    """The page with `printed` in the place of this benchmark's last figures. Raises ValueError
    where the page has no place for them.
    """
    place = re.compile(rf"(<!-- bench\.{name} -->\n).*?(<!-- end -->\n)", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"{PAGE.name} has no place for bench.{name}: add its two marks.")
    head = (
        f"`python -m bench {name}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores"
        f" ({platform.machine()}), Python {platform.python_version()}:"
    )
    figures = f"{head}\n\n```text\n{printed.strip()}\n```\n"
    return place.sub(lambda found: found[1] + figures + found[2], page)


if __name__ == "__main__":
    sys.exit(main())
