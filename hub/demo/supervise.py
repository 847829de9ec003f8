"""Runs the hub as processes of its own and starts one again when it dies, as any service manager
would.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GIVE_UP = 5
"""Starts in a row that end within two seconds, after which something is wrong for good."""


@dataclass(slots=True)
class Part:
    """One supervised process."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[str] | None = None
    starts: int = 0
    quick_ends: int = 0
    killed: bool = False
    """Whether its end was asked for, and so says nothing about it."""
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None


class Supervisor:
    """Keeps some commands running. Their errors go to one log file, their output is kept."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self.env = env
        self.log = log
        self.parts: dict[str, Part] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.failed: str | None = None

    def start(self, **commands: Sequence[str]) -> None:
        """Start these commands, by name, and watch over them."""
        for name, command in commands.items():
            self.parts[name] = Part(name, command)
            self._launch(self.parts[name])
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def _launch(self, part: Part) -> None:
        with self.log.open("a") as log:
            part.process = subprocess.Popen(  # noqa: S603 - our own command line
                part.command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        part.starts += 1
        part.reader = threading.Thread(
            target=self._read, args=(part, part.process.stdout), daemon=True
        )
        part.reader.start()

    @staticmethod
    def _read(part: Part, stream: IO[str] | None) -> None:
        if stream is not None:
            with stream:
                part.lines.extend(line.rstrip("\n") for line in stream)

    def _watch(self) -> None:
        began = dict.fromkeys(self.parts, time.monotonic())
        while not self._stop.wait(0.05):
            with self._lock:
                for part in self.parts.values():
                    if self._stop.is_set() or part.process is None or part.process.poll() is None:
                        continue
                    quick = time.monotonic() - began[part.name] < 2 and not part.killed
                    part.quick_ends = part.quick_ends + 1 if quick else 0
                    part.killed = False
                    if part.quick_ends >= GIVE_UP:
                        self.failed = f"{part.name} ends as soon as it starts"
                        self._stop.set()
                        return
                    began[part.name] = time.monotonic()
                    self._launch(part)

    def kill(self, name: str) -> None:
        """`kill -9` one process; it is started again."""
        with self._lock:
            process = self.parts[name].process
            if process is not None:
                self.parts[name].killed = True
                process.kill()
                process.wait()

    def stop(self) -> None:
        """Ask everything to end, and see that it does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        with self._lock:
            running = [part.process for part in self.parts.values() if part.process]
            for process in running:
                process.terminate()
            for process in running:
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for part in self.parts.values():
            if part.reader is not None:
                part.reader.join(timeout=5)

    def tail(self, lines: int = 20) -> str:
        """The end of the log, for a failure's message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
