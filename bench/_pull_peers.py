"""Who else pulls: dlt, a Singer tap with its target, and loops that do the least, each a process of
its own in an environment of its own, which is made once and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PINS = (
    "dlt[duckdb,parquet,sqlalchemy]==1.31.0",
    "duckdb==2.0.0",
    "httpx==0.28.1",
    "msgspec==0.22.0",
    "orjson==3.13.0",
    "pyarrow==26.0.1",
    "singer-sdk==0.54.9",
    "sqlalchemy==2.1.9",
)
_HERE = Path(__file__).parent


class NotInstalled(RuntimeError):
    """The peers cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one pull took: seconds by the clock and of CPU time, and the most memory in MiB that a
    process of it held.
    """

    rows: int
    seconds: float
    cpu: float
    peak: float


Pull = Callable[[Path, str, int, Path], Run]
"""Python of the peers, address of the vendor, tickets a page, folder for the database: a second
pull into the same folder asks for what changed.
"""


def install() -> Path:
    """The Python of an environment with the pinned peers. Raises NotInstalled."""
    named = hashlib.sha256(" ".join((*PINS, sys.version)).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "process-hub-bench" / f"pull-{named}"
    python = place / "bin" / "python"
    done = place / "installed"
    if not done.exists():
        venv.create(place, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", *PINS]
        told = subprocess.run(pip, capture_output=True, text=True, check=False)  # noqa: S603
        if told.returncode:
            raise NotInstalled(f"pip install failed: {told.stderr.strip().splitlines()[-1:]}")
        done.touch()
    return python


def own_words(command: Sequence[str]) -> dict[str, Any]:
    """What a program says in its last line. Raises RuntimeError where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def bare(way: str) -> Pull:
    """A loop of `bench/_pull_bare.py`."""

    def pull(python: Path, url: str, page: int, folder: Path) -> Run:
        script = str(_HERE / "_pull_bare.py")
        return Run(**own_words([str(python), script, way, url, str(page), str(folder / "bare.db")]))

    return pull


def dlt(destination: str, disposition: str) -> Pull:
    """dlt's rest_api source into a destination, by merge or append."""

    def pull(python: Path, url: str, page: int, folder: Path) -> Run:
        script = str(_HERE / "_pull_dlt.py")
        return Run(
            **own_words(
                [str(python), script, destination, disposition, url, str(page), str(folder)]
            )
        )

    return pull


def singer(python: Path, url: str, page: int, folder: Path) -> Run:
    """Tap and target with a pipe between them, from their start to their end. Their CPU time is
    added up, of their memory the larger counts.
    """
    script, state, told = str(_HERE / "_pull_singer.py"), folder / "state.json", folder / "told"
    database = folder / "singer.db"
    quiet = os.environ | {"SINGER_SDK_LOG_LEVEL": "ERROR"}
    began = time.perf_counter()
    with told.open("wb") as out, (folder / "errors").open("wb") as errors:
        tap = subprocess.Popen(  # noqa: S603 - our own script
            [python, script, "tap", url, str(page), state],
            stdout=subprocess.PIPE, stderr=errors, env=quiet,
        )  # fmt: skip
        target = subprocess.Popen(  # noqa: S603 - our own script
            [python, script, "target", database],
            stdin=tap.stdout, stdout=out, stderr=errors, env=quiet,
        )  # fmt: skip
        assert tap.stdout is not None  # noqa: S101 - piped above
        tap.stdout.close()
        ended = [os.wait4(process.pid, 0) for process in (tap, target)]
        seconds = time.perf_counter() - began
        tap.returncode, target.returncode = (os.waitstatus_to_exitcode(one[1]) for one in ended)
    if tap.returncode or target.returncode:
        raise RuntimeError(f"singer-sdk failed:\n{(folder / 'errors').read_text()[-3000:]}")
    told.replace(state)
    used = [one[2] for one in ended]
    return Run(
        _rows(database),
        seconds,
        sum(one.ru_utime + one.ru_stime for one in used),
        max(one.ru_maxrss for one in used) / 1024,
    )


def _rows(database: Path) -> int:
    import sqlite3

    tx = sqlite3.connect(database)
    count: int = tx.execute("SELECT count(*) FROM tickets").fetchone()[0]
    tx.close()
    return count


BARE: dict[str, Pull] = {
    "bare loop: httpx, orjson, upsert": bare("orjson"),
    "bare loop: msgspec, fetch ahead": bare("msgspec"),
}
PEERS: dict[str, Pull] = {
    "dlt 1.31.0 to DuckDB, merge": dlt("duckdb", "merge"),
    "dlt 1.31.0 to DuckDB, append": dlt("duckdb", "append"),
    "dlt 1.31.0 to SQLite, merge": dlt("sqlite", "merge"),
    "singer-sdk 0.54.9 to SQLite, upsert": singer,
}


def twice(pull: Pull, python: Path, url: str, page: int, count: int) -> tuple[Run, Run]:
    """Everything, then what changed, which is nothing. Raises RuntimeError on a wrong count."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (pull(python, url, page, Path(folder)) for _ in range(2))
    if (first.rows, second.rows) != (count, count):
        raise RuntimeError(f"{first.rows}, then {second.rows} rows of {count} tickets")
    return first, second
