"""Nothing lost and nothing doubled: the sender's list of 2xx, the hub's database and what the tools
hold, held against each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.salesforce.sandbox import SalesforceSandbox
from hub.store import dialect, events
from hub.store import tables as t
from hub.store.database import Database
from hub.store.inbox import DELIVERIES
from hub.store.records import RECORDS
from tests.kill_intake.history import ForgetfulGithub, told_of
from tests.kill_intake.sender import Sender

Row = dict[str, Any]
STATES = {"open": "open", "closed": "done"}
CHANGES = ("task.updated", "task.completed", "task.reopened")


@dataclass(slots=True)
class Verdict:
    """`faults` in words; `counts` of what was looked at."""

    faults: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def lose(self, what: str, which: list[Any]) -> None:
        """These were lost."""
        if which:
            self.lost += len(which)
            self.faults.append(f"{len(which)} {what}, as {which[:3]}")

    def double(self, what: str, which: list[Any]) -> None:
        """These happened more than once."""
        if which:
            self.doubled += len(which)
            self.faults.append(f"{len(which)} {what}, as {which[:3]}")

    def wrong(self, what: str, which: list[Any]) -> None:
        if which:
            self.faults.append(f"{len(which)} {what}, as {which[:3]}")

    def lines(self) -> Iterator[str]:
        yield ", ".join(f"{count} {what}" for what, count in self.counts.items())
        yield f"{self.lost} lost, {self.doubled} processed twice, {len(self.faults)} faults"
        yield from (f"FAULT: {one}" for one in self.faults)


def judge(
    database: Database, github: ForgetfulGithub, crm: SalesforceSandbox, sender: Sender
) -> Verdict:
    """Look at everything, once the hub has stopped."""
    found = Verdict()
    found.wrong("deliveries were refused", sender.refused)
    with database.write() as tx:
        while events.seal(tx):
            pass
        broken = events.verify(tx)[2]
        found.wrong("break in the event chain", [broken] if broken else [])
        if dialect.is_sqlite(tx):
            told = [row[0] for row in tx.exec_driver_sql("PRAGMA integrity_check")]
            found.wrong("complaints of integrity_check", [one for one in told if one != "ok"])
    with database.read() as tx:
        _deliveries(tx, found, sender)
        _issues(tx, found, github)
        _comments(tx, found, github)
        _effects(tx, found, crm)
        _leftovers(tx, found)
    return found


def _all(tx: Connection, statement: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in tx.execute(statement).mappings()]


def _deliveries(tx: Connection, found: Verdict, sender: Sender) -> None:
    """Every 2xx has its one row, and every row was processed once."""
    c = t.deliveries.c
    rows = _all(tx, sa.select(c.id, c.delivery_id, c.status, c.verdict))
    by_guid: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_guid[row["delivery_id"]].append(row)
    found.counts["rows of deliveries"] = len(rows)
    answered = sender.answered
    found.lose("answered 2xx have no row", [one for one in answered if one not in by_guid])
    found.double("deliveries have several rows", [g for g, some in by_guid.items() if some[1:]])
    found.wrong(
        "answers name another row",
        [g for g, ids in answered.items() if ids != {row["id"] for row in by_guid[g]}],
    )
    handled = Counter(
        row[0]
        for row in tx.execute(
            sa.select(t.events.c.subject).where(t.events.c.type == "delivery.received")
        )
    )
    found.lose("deliveries were never processed", [r["id"] for r in rows if not handled[r["id"]]])
    found.double("deliveries were processed twice", [id for id, n in handled.items() if n > 1])
    found.wrong("deliveries not processed", [r for r in rows if r["status"] != "processed"])


def _issues(tx: Connection, found: Verdict, github: ForgetfulGithub) -> None:
    """Tasks are as the issues are, and have as many versions as changes."""
    told, _ = told_of(github.sent)
    real = {str(row["id"]): row for row in github.issues()}
    links = {
        row["external_id"]: row
        for row in _all(tx, sa.select(t.links).where(t.links.c.connection == "github"))
        if row["object"] == "issue"
    }
    tasks = {row["id"]: row for row in _all(tx, sa.select(t.tasks))}
    found.counts["issues"] = len(told)
    found.counts["of them deleted"] = len(told - real.keys())
    found.lose("issues have no task", sorted(told - links.keys()))
    wrong = []
    for id in sorted(told & links.keys()):
        link, task, issue = links[id], tasks[links[id]["entity_id"]], real.get(id)
        if link["remote_deleted"] != (issue is None):
            wrong.append(f"{id}: deleted is {link['remote_deleted']}, not {issue is None}")
        if issue is None:
            continue
        is_, should = _task_as_issue(task), _issue_as_task(issue)
        wrong += [f"{id}.{n}: {is_[n]!r}, not {should[n]!r}" for n in should if is_[n] != should[n]]
    found.wrong("fields are not as at the end of the history", wrong)
    ours = {link["entity_id"] for link in links.values()}
    c = t.events.c
    history = _all(tx, sa.select(c.type, c.subject, c.cause).where(c.type.like("task.%")))
    made = Counter(row["subject"] for row in history if row["type"] == "task.created")
    found.double("tasks were created twice", [id for id, n in made.items() if n > 1])
    found.lose("tasks have no event of their creation", [id for id in tasks if not made[id]])
    moved = [row for row in history if row["type"] in CHANGES]
    per_task = Counter(row["subject"] for row in moved)
    found.wrong(
        "tasks have not as many versions as changes",
        [id for id in ours if tasks[id]["version"] != 1 + per_task[id]],
    )
    twice = Counter((row["cause"], row["subject"]) for row in moved)
    found.double("changes of a task have one delivery", [k for k, n in twice.items() if n > 1])
    gone = Counter(row["subject"] for row in history if row["type"] == "task.deleted")
    found.double("tasks were deleted twice", [id for id, n in gone.items() if n > 1])
    found.counts["changes of tasks"] = len(moved)


def _task_as_issue(task: Row) -> Row:
    told = {name: task[name] for name in ("title", "description", "status")}
    return told | {"labels": sorted(task["labels"])}  # which have no order


def _issue_as_task(issue: Row) -> Row:
    return {
        "title": issue["title"],
        "description": issue["body"],
        "status": STATES[issue["state"]],
        "labels": sorted(label["name"] for label in issue["labels"]),
    }


def _comments(tx: Connection, found: Verdict, github: ForgetfulGithub) -> None:
    """Comments are there once, as they were last written."""
    _, told = told_of(github.sent)
    real = {str(row["id"]): row for row in github.comments()}
    alive = {row["url"] for row in github.issues()}
    links = {
        row["external_id"]: row
        for row in _all(tx, sa.select(t.links).where(t.links.c.connection == "github"))
        if row["object"] == "comment"
    }
    bodies = {row["id"]: row["body"] for row in _all(tx, sa.select(t.comments))}
    found.counts["comments"] = len(told)
    wrong = []
    for id in sorted(told & real.keys()):
        if id not in links:
            found.lose("comments are missing", [id])
        elif real[id]["issue_url"] in alive and bodies[links[id]["entity_id"]] != real[id]["body"]:
            wrong.append(f"{id}: {bodies[links[id]['entity_id']]!r}, not {real[id]['body']!r}")
    found.wrong("comments are not as last written", wrong)
    found.wrong(
        "links of comments are gone the wrong way",
        [id for id in links.keys() & real.keys() if links[id]["remote_deleted"]],
    )
    said = Counter(
        row[0]
        for row in tx.execute(
            sa.select(t.events.c.subject).where(t.events.c.type == "comment.added")
        )
    )
    found.double("comments were added twice", [id for id, n in said.items() if n > 1])
    found.double("comments without a link", sorted(bodies.keys() - _entities(links)))


def _entities(links: dict[str, Row]) -> set[str]:
    return {str(row["entity_id"]) for row in links.values()}


def _effects(tx: Connection, found: Verdict, crm: SalesforceSandbox) -> None:
    """What the rules wanted in the CRM is there once: by its records and by its ledger."""
    c = t.events.c
    wanted = {
        f"Follow {row[0]}"
        for row in tx.execute(
            sa.select(c.subject).where(c.type == "task.created", c.origin == "github")
        )
    } | {
        f"Check {row[0]}"
        for row in tx.execute(
            sa.select(c.id).where(c.type == "task.completed", c.origin == "github")
        )
    }
    held = Counter(str(row["Subject"]) for row in crm.records("Task"))
    effects = Counter(str(one.fields.get("Subject")) for one in crm.ledger if one.op == "create")
    found.counts["effects in the CRM"] = sum(effects.values())
    found.lose("effects never reached the CRM", sorted(wanted - held.keys()))
    found.double("records of the CRM are there twice", [s for s, n in held.items() if n > 1])
    found.double("effects happened twice", [s for s, n in effects.items() if n > 1])
    found.wrong("effects nobody wanted", sorted(effects.keys() - wanted))
    others = [one for one in crm.ledger if one.op != "create"]
    found.wrong("writes to the CRM that nothing asked for", [f"{o.op} {o.id}" for o in others])


def _leftovers(tx: Connection, found: Verdict) -> None:
    """No row waits, none was set aside, and nobody was troubled."""
    for queue in (DELIVERIES, RECORDS):
        table = queue.table
        stuck = _all(
            tx,
            sa.select(table.c.position, table.c.status, table.c.lane, table.c.error).where(
                table.c.status.in_((queue.ready, queue.aside))
            ),
        )
        found.wrong(f"rows of {table.name} are stuck", stuck)
    c = t.pushes.c
    ended = ("sent", "superseded")
    not_sent = _all(tx, sa.select(c.op, c.status, c.error).where(c.status.not_in(ended)))
    found.wrong("pushes were not sent", not_sent)
    e = t.exceptions.c
    # the lists of this GitHub are empty, and the hub asks about that, as it should
    asked = sa.and_(e.type == "mass_deletion", e.subject == "github")
    told = sa.select(e.type, e.title, e.detail).where(e.status == "open", ~asked)
    open_ = _all(tx, told)
    found.wrong("exceptions are open", open_)
