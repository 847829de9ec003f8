"""The command that pulls now: pages of changed records, brought in, and counted."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import Json, example, note, print_json
from hub.cli.progress import Show, pull_progress
from hub.cli.session import having, opened

if TYPE_CHECKING:
    from hub.flow.pull import Pulled
    from hub.hub import Hub

PANEL = "Look and act"
TURN = 20.0
"""Seconds to wait for somebody else's pull of the same object."""
PATIENCE = 60.0
"""Seconds without progress after which we no longer wait for records to be brought in."""
INTERRUPTED = 130
"""The exit code of whatever Ctrl-C ended."""

app = typer.Typer()


class Stopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C, and the page that was under way is stored."""


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub pull github",
        "hub pull crm --object opportunity --full",
        "hub pull crm --full --restart",
    ),
)
def pull(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    object: Annotated[
        str | None, typer.Option(help="One kind of record; else all that are used.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Everything, not what changed; goes on with one under way."),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Everything, from the beginning once more.")
    ] = False,
    json: Json = False,
) -> None:
    """Pull what changed in a tool now, bring it in, and count what came of it.

    The first pull of an object, and one with --full, brings everything. It may be stopped at any
    time (Ctrl-C): the next pull goes on from the page where it stopped. Where the tool asks us to
    slow down, this waits as long as it says. Exit code 1 if the tool could not be read or something
    could not be brought in, 130 if it was stopped.
    """
    done: dict[str, list[Pulled]] = {}
    stopped = False
    with opened() as hub:
        objects = _objects(hub, connection, object)
        began = time.monotonic()
        _say_what_goes_on(hub, connection, objects, restart=restart)
        try:
            with stoppable() as stop, pull_progress(connection) as show:
                for one in objects:
                    turns = done.setdefault(one, [])
                    _Pulling(hub, connection, one, show, stop, turns, full, restart).run()
        except Stopped:
            stopped = True
        results = [result for turns in done.values() for result in turns]
        complete = _bring_in(hub, results)
        seconds = max(time.monotonic() - began, 0.001)
    found = _counted(results, seconds)
    if json:
        print_json({"connection": connection, **found, "objects": _per_object(done)})
    else:
        typer.echo("  ".join(f"{name}: {value}" for name, value in found.items()))
    last = [turns[-1] for turns in done.values() if turns]
    if stopped:
        raise typer.Exit(_stopped(connection, object, full=full or restart))
    for result in last:
        if result.error:
            note(f"error: {connection}/{result.object}: {result.error}")
        if result.busy:
            note(f"error: {connection}/{result.object} is being pulled already. Try again soon.")
    if not complete:
        note(
            "error: some records still wait to be brought in."
            " A running hub goes on with them; see: hub exceptions"
        )
    if not complete or any(result.error or result.busy for result in last):
        raise typer.Exit(1)


def _stopped(connection: str, object: str | None, *, full: bool) -> int:
    words = ["hub pull", connection, *(["--object", object] if object else ())]
    note(f"Stopped; what came is stored. To go on: {' '.join(words + ['--full'] * full)}")
    return INTERRUPTED


def _say_what_goes_on(hub: Hub, connection: str, objects: list[str], *, restart: bool) -> None:
    """Whether a pull of everything was stopped on its way, and where."""
    from hub.flow.progress import backfills
    from hub.store import cursors

    with hub.database.read() as tx:
        rows = [dict(row) for row in cursors.all_cursors(tx) if row["connection"] == connection]
    for object, at in backfills(rows, hub.clock()):
        if object in objects and at.seen:
            begun = f"began {at.since:%Y-%m-%d %H:%M} UTC and has {at.seen:,} records"
            then = "begins anew" if restart else "goes on from there"
            note(f"{connection} {object}: the pull of everything {begun}; it {then}.")


class Stop:
    """Whether somebody pressed Ctrl-C."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Twice is an order: at once."""
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
        note("Stopping after this page. Ctrl-C once more: at once.")

    def heed(self) -> None:
        """Raises Stopped."""
        if self._asked.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Raises Stopped, as soon as that is asked."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._asked.wait(min(left, 0.2))  # a signal is only heeded between two waits
            self.heed()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Ctrl-C is heeded between two pages, where everything is stored."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, stop.ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _Pulling:
    """One object's pull: in as many turns as the tool's limits make of it."""

    def __init__(
        self,
        hub: Hub,
        connection: str,
        object: str,
        show: Show,
        stop: Stop,
        turns: list[Pulled],
        full: bool,
        restart: bool,
    ) -> None:
        from hub.flow.progress import Meter

        self.hub, self.connection, self.object = hub, connection, object
        self.show, self.stop, self.turns = show, stop, turns
        self.full, self.restart = full or restart, restart
        self.meter = Meter.of(hub.live.current(), connection)
        self._seen = 0
        self._told: datetime | None = None

    def run(self) -> None:
        """Until it is over, fails, or somebody else is at it. Raises Stopped."""
        deadline = time.monotonic() + TURN
        first: datetime | None = None
        while True:
            result = self._turn()
            if result.busy:
                until = self._held_until()
                first = first or until
                # whoever works keeps the turn page by page; whoever died has it until it ends
                died = until is not None and until == first
                if died or time.monotonic() < deadline:
                    self.turns.pop()
                    self._wait_for_turn(until)
                    continue
            if result.error is None or result.retry_after is None:
                self.show(self.object, self.meter.seen, self.meter)
                return
            self.show.pause(self.object, result.retry_after, result.error)
            self.stop.wait(result.retry_after)
            deadline = time.monotonic() + TURN

    def _held_until(self) -> datetime | None:
        """When the turn of whoever pulls this object ends, unless they keep it."""
        from hub.store import cursors

        with self.hub.database.read() as tx:
            row = cursors.cursor_state(tx, self.connection, self.object)
        return row["lease_until"] if row is not None else None

    def _wait_for_turn(self, until: datetime | None) -> None:
        if until is not None and until != self._told:
            self._told = until
            left = (until - self.hub.clock()).total_seconds()
            self.show.pause(
                self.object,
                max(left, 1.0),
                "another process has the turn; if it died, we go on then",
            )
        self.stop.wait(0.2)

    def _turn(self) -> Pulled:
        from hub.flow.pull import pull as run

        self._seen = 0
        self.meter.restart()
        known = len(self.turns)
        result = run(
            self.hub,
            self.connection,
            self.object,
            full=self.full,
            restart=self.restart,
            force=True,
            progress=self._tell,
        )
        if len(self.turns) == known:  # no page came
            self.turns.append(result)
        return result

    def _tell(self, so_far: Pulled) -> None:
        if not self.turns or self.turns[-1] is not so_far:
            self.turns.append(so_far)
        self.restart = False  # it has begun: from now on it goes on
        self.meter.tell(so_far, so_far.seen - self._seen)
        self._seen = so_far.seen
        self.show(self.object, self.meter.seen, self.meter)
        self.stop.heed()


def _objects(hub: Hub, connection: str, object: str | None) -> list[str]:
    from hub.flow.pull import pullable
    from mappings.source import did_you_mean

    snapshot = having(hub, connection)
    known = [kind for name, kind in pullable(snapshot) if name == connection]
    if object is None:
        if not known:
            raise LookupError(f"Nothing of '{connection}' can be pulled, or nothing is mapped.")
        return known
    if object not in known:
        hint = did_you_mean(object, known)
        raise LookupError(f"'{object}' of '{connection}' is not pulled. {hint}".strip())
    return [object]


def _bring_in(hub: Hub, results: list[Pulled]) -> bool:
    """Work in this process until the pulled records are in; a running hub helps."""
    from hub.flow.bring_in import bring_in
    from hub.flow.pull import count_outcome

    deadline = time.monotonic() + PATIENCE
    while True:
        worked = bring_in(hub)
        if all([count_outcome(hub, result) for result in results]):
            return True
        if worked:
            deadline = time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            return False
        else:
            time.sleep(0.1)  # another process has them, or they wait for their parents


_COUNTS = ("seen", "created", "updated", "unchanged", "deleted", "exceptions")


def _counted(results: list[Pulled], seconds: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: sum(getattr(result, name) for result in results) for name in _COUNTS
    }
    return {**found, "records/s": round(found["seen"] / seconds)}


def _per_object(done: dict[str, list[Pulled]]) -> list[dict[str, Any]]:
    return [
        {
            "object": object,
            **{name: sum(getattr(turn, name) for turn in turns) for name in _COUNTS},
            "busy": turns[-1].busy,
            "error": turns[-1].error,
        }
        for object, turns in done.items()
        if turns
    ]
