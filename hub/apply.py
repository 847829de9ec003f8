"""Applying a workspace: checked, stored as the next revision, and in force everywhere within a
second, or not at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.sdk import Connector
from hub import recognition
from hub.store import events, running, sameness, standings, work
from hub.store.database import Database
from hub.store.events import EventDraft
from hub.unit import SYSTEM
from hub.workspace import Workspace, load, workspace_hash
from mappings.source import Finding, Place

MARK = "applied"
"""File in `.hub/` that names the revision this folder last became or was written from."""


class NotValid(Exception):
    """The files have errors; nothing was stored."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"{len([f for f in findings if f.severity == 'error'])} errors")
        self.findings = findings


class NotFromHere(Exception):
    """The newest revision did not come from these files. `difference` is a unified diff from it
    to them.
    """

    def __init__(self, revision: int, origin: str, difference: str) -> None:
        super().__init__(
            f"Revision {revision} ({origin}) did not come from these files. Fetch it with:"
            f" hub revisions write {revision} DIR, or overwrite it with --force."
        )
        self.revision = revision
        self.difference = difference


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying did. `new` False: these files were in force already."""

    revision: int
    new: bool
    findings: tuple[Finding, ...] = ()


def apply(
    database: Database,
    files: Mapping[str, str],
    classes: Mapping[str, type[Connector]],
    now: datetime,
    *,
    env: Mapping[str, str] | None = None,
    author: str = "cli",
    origin: str = "files",
    force: bool = False,
    based_on: int | None = None,
    actor: Mapping[str, Any] = SYSTEM,
) -> Applied:
    """Store files as the newest revision. Raises NotValid or NotFromHere, and then nothing has
    changed.

    `based_on` is the revision that the files last were in step with (see `mark_of`).
    """
    loaded = load(files, classes, env)
    if loaded.workspace is None:
        raise NotValid(loaded.findings)
    number, new = _store(
        database, files, loaded.workspace, now,
        author=author, origin=origin, force=force, based_on=based_on, actor=actor,
    )  # fmt: skip
    # from here on whoever changes anything keeps its keys too; what was there before has none yet
    sameness.settle(database, loaded.workspace.agreements, now)
    return Applied(number, new, loaded.findings)


def _store(
    database: Database,
    files: Mapping[str, str],
    workspace: Workspace,
    now: datetime,
    *,
    author: str,
    origin: str,
    force: bool,
    based_on: int | None,
    actor: Mapping[str, Any],
) -> tuple[int, bool]:
    """The number of the revision that these files are, and whether it is new."""
    digest = workspace_hash(files)
    with database.write() as tx:
        newest = running.newest_revision(tx)
        if newest is not None:
            if newest["hash"] == digest:
                settle_names(tx, workspace, now)
                return newest["number"], False
            if not force and newest["number"] != based_on:
                raise NotFromHere(
                    newest["number"], newest["origin"], difference(newest["files"], files)
                )
        _somebody_stays(tx, workspace, now)
        number = running.add_revision(tx, files, digest, origin, author, now)
        settle_names(tx, workspace, now)
        events.append(
            tx,
            [
                EventDraft(
                    "revision.applied",
                    str(number),
                    actor,
                    data={"hash": digest, "origin": origin, "author": author},
                )
            ],
            now,
        )
    return number, True


def _somebody_stays(tx: Any, workspace: Workspace, now: datetime) -> None:
    """Raises NotValid where cases run and nobody would be left to answer for them."""
    there = [one for one in workspace.people.values() if not one.left or one.left >= now.date()]
    if not there and standings.cases_run(tx):
        finding = Finding(
            Place("people.yaml"),
            "nobody would be left to answer for the cases that run.",
            "Keep at least one person, or end those cases first.",
        )
        raise NotValid((finding,))


def settle_names(tx: Any, workspace: Workspace, now: datetime) -> None:
    """Give the people and connections of a workspace their rows."""
    work.keep_people(
        tx,
        [
            work.PersonRow(
                key, one.name, one.email, active=one.left is None or one.left >= now.date()
            )
            for key, one in workspace.people.items()
        ],
        now,
    )
    running.keep_connections(tx, list(workspace.connections))
    recognition.recognise_all(tx, workspace, now)


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A unified diff between two sets of files."""
    return "".join(_difference(before, after))


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for file in sorted({*before, *after}):
        if before.get(file) != after.get(file):
            yield from difflib.unified_diff(
                (before.get(file) or "").splitlines(keepends=True),
                (after.get(file) or "").splitlines(keepends=True),
                f"stored/{file}",
                f"here/{file}",
            )


def mark_of(folder: Path) -> int | None:
    """The revision that a folder was last in step with."""
    try:
        return int((folder / ".hub" / MARK).read_text())
    except (OSError, ValueError):
        return None


def mark(folder: Path, revision: int) -> None:
    """Remember that a folder is in step with a revision."""
    (folder / ".hub").mkdir(exist_ok=True)
    (folder / ".hub" / MARK).write_text(f"{revision}\n")
