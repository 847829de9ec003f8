"""`hub doctor`: what could go wrong on this machine, each with what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import typer

from hub.cli.moments import said_until
from hub.cli.output import Json, example, explained, print_json
from hub.cli.session import classes, folder_of, quiet, settings_for

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.settings import Settings

PANEL = "Administer"
SKEW_WARN, SKEW_FAIL = 2.0, 30.0
"""Seconds between the database's clock and ours; deliveries are refused from 300 on."""
FREE_WARN, FREE_FAIL = 1 << 30, 100 << 20
app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    check: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


@app.command(rich_help_panel=PANEL, epilog=example("hub doctor", "hub doctor --json"))
def doctor(json: Json = False) -> None:
    """Look at everything a hub needs, and say what to do where something is wrong.

    Exit code 1 if anything fails; a warning is no failure.
    """
    quiet()
    lines = list(examine(settings_for()))
    if json:
        print_json([asdict(line) for line in lines])
    else:
        width = max(len(line.check) for line in lines)
        for line in lines:
            mark = _coloured(line.status)
            typer.echo(f"{mark}  {line.check.ljust(width)}  {line.detail} {line.remedy}".rstrip())
    if any(line.status == "fail" for line in lines):
        raise typer.Exit(1)


def _coloured(status: str) -> str:
    text = status.ljust(4)
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    colours = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW}
    return typer.style(text, fg=colours.get(status, typer.colors.RED))


def examine(settings: Settings) -> Iterator[Line]:
    """Look at everything, one thing after the other; what fails stops only what needs it."""
    from hub.hub import open_hub

    yield Line("python", "ok", ".".join(map(str, sys.version_info[:3])))
    try:
        hub = open_hub(settings, classes())
    except Exception as error:
        said = (explained(error) or str(error)).splitlines()[0].removeprefix("error: ")
        yield Line("database", "fail", said, "" if "HUB_" in said else "See HUB_DATABASE_URL.")
    else:
        yield from _database(hub)
        yield from _guarded("clock", lambda: _clock(hub))
        yield from _guarded("workspace", lambda: _workspace(hub))
        yield from _guarded("connections", lambda: _connections(hub))
        yield from _guarded("deliveries", lambda: _deliveries(hub))
        hub.live.close()
        hub.database.close()
    yield from _guarded("broker", lambda: _broker(settings))
    yield from _guarded("disk", lambda: _disk(settings))


def _guarded(check: str, look: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """A check that breaks is a failed check."""
    try:
        yield from look()
    except Exception as error:
        said = (explained(error) or f"{type(error).__name__}: {error}").splitlines()[0]
        yield Line(check, "fail", said.removeprefix("error: "))


def _database(hub: Hub) -> Iterator[Line]:
    from hub.store import dialect

    with hub.database.read() as tx:
        if dialect.is_sqlite(tx):
            name = f"SQLite {'.'.join(map(str, dialect.sqlite_version()))}"
        else:
            version = tx.exec_driver_sql("SHOW server_version").scalar()
            name = f"PostgreSQL {version}"
        problems = dialect.durability_problems(tx)
        schema = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    yield Line("database", "ok", f"{name}, schema {schema}.")
    for problem in problems:
        yield Line("durability", "warn", problem, "hub up --strict would refuse.")
    if not problems:
        yield Line("durability", "ok", "What is acknowledged survives a power cut.")


def _clock(hub: Hub) -> Iterator[Line]:
    from hub.store import dialect

    with hub.database.read() as tx:
        before = datetime.now(UTC)
        theirs = dialect.database_now(tx)
        ours = before + (datetime.now(UTC) - before) / 2
    skew = abs((theirs - ours).total_seconds())
    status: Any = "ok" if skew < SKEW_WARN else "warn" if skew < SKEW_FAIL else "fail"
    remedy = "" if status == "ok" else "Set both machines' clocks by NTP."
    yield Line("clock", status, f"{skew:.1f} s between the database and this machine.", remedy)


def _workspace(hub: Hub) -> Iterator[Line]:
    from hub.apply import mark_of
    from hub.store import running
    from hub.workspace import load, read_files

    with hub.database.read() as tx:
        newest = running.newest_revision(tx)
    if newest is None:
        yield Line("workspace", "warn", "Nothing has been applied.", "Run: hub apply")
        return
    number, folder = newest["number"], folder_of()
    stored = load(newest["files"], classes(), None)
    if stored.workspace is None:
        yield Line(
            "workspace", "fail", f"Revision {number} does not load: {stored.errors[0]}",
            "Mend the files, then: hub apply",
        )  # fmt: skip
    if not (folder / "hub.yaml").is_file():
        yield Line("workspace", "ok", f"Revision {number} is in force; there are no files here.")
    elif _in_force_of(read_files(folder)) == _in_force_of(newest["files"]):
        yield Line("workspace", "ok", f"Revision {number} is in force, as the files say.")
    elif mark_of(folder) == number:
        yield Line(
            "workspace", "warn", f"The files were changed after revision {number}.",
            "Put them into force with: hub apply",
        )  # fmt: skip
    else:
        yield Line(
            "workspace", "warn", f"Revision {number} ({newest['origin']}) is not from these files.",
            f"Fetch it with: hub revisions write {number} DIR",
        )  # fmt: skip


def _in_force_of(files: Mapping[str, str]) -> dict[str, str]:
    """The files that say what holds; samples are only looked at."""
    return {name: text for name, text in files.items() if not name.startswith("samples/")}


def _connections(hub: Hub) -> Iterator[Line]:
    from connectors.sdk import ConnectorError
    from hub.live import NoWorkspace
    from hub.store import cursors, running

    try:
        snapshot = hub.live.current()
    except NoWorkspace:
        return  # said already
    with hub.database.read() as tx:
        states = running.connection_states(tx)
        pulls = [dict(row) for row in cursors.all_cursors(tx)]
    yield from _backfills(pulls, hub.clock())
    for name in snapshot.workspace.connections:
        what = f"connection {name}"
        began = time.monotonic()
        for missing in snapshot.lacking(name):
            yield Line(what, "warn", f"One of its webhook secrets is not there: {missing}")
        try:
            snapshot.connector(name).check()
        except ConnectorError as error:
            yield Line(what, "fail", str(error))
            continue
        took = f"Answers in {(time.monotonic() - began) * 1000:.0f} ms."
        if states.get(name, {}).get("status") == "paused":
            remedy = f"Go on with: hub connections resume {name}"
            yield Line(what, "warn", f"{took} It is paused.", remedy)
        else:
            yield Line(what, "ok", took)


def _backfills(pulls: list[dict[str, Any]], now: datetime) -> Iterator[Line]:
    """Pulls of everything that are on their way, and such as nobody goes on with."""
    from hub.flow.progress import backfill, in_words

    for row in pulls:
        one = backfill(row, now)
        if one is None:
            continue
        name, object = row["connection"], row["object"]
        said = f"Everything is being pulled: {in_words(one, now)}."
        late = row["next_pull_at"] < now - timedelta(minutes=10)
        held = row["lease_until"] is not None and row["lease_until"] >= now
        if late and not held:
            remedy = f"Start the hub, or go on with: hub pull {name} --object {object} --full"
            yield Line(f"pull {name}/{object}", "warn", f"{said} Nobody goes on with it.", remedy)
        else:
            yield Line(f"pull {name}/{object}", "ok", said)


def _deliveries(hub: Hub) -> Iterator[Line]:
    """Connections that refused everything for an hour, and such as only collect samples."""
    from hub.flow import connections as flow
    from hub.flow import lacking
    from hub.flow.proving import unsigned
    from hub.live import NoWorkspace
    from hub.refusals import in_a_line, remedy
    from hub.store import notices, running

    try:
        snapshot = hub.live.current()
    except NoWorkspace:
        return  # said already
    with hub.database.read() as tx:
        refusing = notices.refusing(tx, hub.clock() - timedelta(hours=1))
        capturing = flow.capturing(tx, snapshot)
        until = running.capture_until(tx)
        troubled = lacking.open_ones(tx, [*snapshot.workspace.connections])
    for name, trouble in troubled.items():  # only the hub that runs knows its environment
        yield Line(f"deliveries {name}", "warn", f"The running hub says: {trouble}")
    for name, row in refusing.items():
        if name in snapshot.workspace.connections:
            said = f"Refused everything that came in the last hour; the last for {in_a_line(row)}."
            yield Line(f"deliveries {name}", "warn", said, remedy(name, row))
    for name in unsigned(snapshot):
        yield Line(
            f"deliveries {name}", "warn", "Are taken from anybody, without proof (unsigned: true).",
            "Set webhook.secret, or webhook.token where the sender cannot sign.",
        )  # fmt: skip
    for name in capturing:
        yield Line(
            f"deliveries {name}", "warn",
            f"Are captured {said_until(until.get(name))}: stored and not processed.",
            f"End it with: hub connections capture {name} --stop (or webhook.capture in hub.yaml);"
            " then: hub deliveries replay --status captured",
        )  # fmt: skip
    if not refusing and not capturing:
        yield Line("deliveries", "ok", "No connection refuses all that comes.")


def _broker(settings: Settings) -> Iterator[Line]:
    if settings.redis_url is None:
        yield Line("broker", "ok", "In this process; HUB_REDIS_URL is not set.")
        return
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=5) as one:
            one.ping()
            version = one.info("server")["redis_version"]
    except RedisError as error:
        yield Line("broker", "fail", f"Redis does not answer: {error}", "Check HUB_REDIS_URL.")
        return
    yield Line("broker", "ok", f"Redis {version} answers.")


def _disk(settings: Settings) -> Iterator[Line]:
    place = settings.home if settings.home.is_dir() else settings.workspace
    free = shutil.disk_usage(place).free
    status: Any = "ok" if free > FREE_WARN else "warn" if free > FREE_FAIL else "fail"
    remedy = "" if status == "ok" else "Make room: a full disk takes nothing in."
    yield Line("disk", status, f"{free / (1 << 30):.1f} GiB free for {place}.", remedy)
