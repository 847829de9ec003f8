"""What a plain program needs for the same deliveries, to compare with: see `bench.flow`.

It reads five fields, looks its links up in one query, merges against the base, asks ten plain
conditions, and writes task, link, event, outbox and inbox mark in one transaction for each hundred.
It has no lanes, leases, rules, trace, quarantine or order, and knows nothing of lost values.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hub.store import dialect

BATCH = 100
_meta = sa.MetaData()
_text, _number = sa.Text, sa.Integer
inbox = sa.Table(
    "inbox", _meta, sa.Column("position", _number, primary_key=True),
    sa.Column("body", sa.LargeBinary), sa.Column("done", _number, index=True),
)  # fmt: skip
tasks = sa.Table(
    "tasks", _meta, sa.Column("id", _text, primary_key=True), sa.Column("title", _text),
    sa.Column("description", _text), sa.Column("status", _text), sa.Column("assignee", _text),
    sa.Column("labels", _text), sa.Column("changed_at", _text),
)  # fmt: skip
links = sa.Table(
    "links", _meta, sa.Column("external_id", _text, primary_key=True), sa.Column("task", _text),
    sa.Column("base", _text),
)  # fmt: skip
events = sa.Table(
    "events", _meta, sa.Column("position", _number, primary_key=True), sa.Column("id", _text),
    sa.Column("task", _text), sa.Column("type", _text), sa.Column("time", _text),
    sa.Column("changed", _text),
)  # fmt: skip
outbox = sa.Table(
    "outbox", _meta, sa.Column("position", _number, primary_key=True), sa.Column("key", _text),
    sa.Column("task", _text), sa.Column("fields", _text), sa.Column("status", _text, index=True),
)  # fmt: skip
FIELDS = ("title", "description", "status", "assignee", "labels")
Row = dict[str, Any]
CONDITIONS: Sequence[Callable[[Row], bool]] = (
    lambda task: "urgent" in task["labels"],
    lambda task: task["status"] == "blocked",
    lambda task: task["assignee"] is None,
    lambda task: len(task["title"]) > 200,
    lambda task: task["title"].startswith("[security]"),
    lambda task: "customer" in task["labels"] and task["status"] == "open",
    lambda task: task["description"] is None,
    lambda task: task["status"] == "done" and "release" in task["labels"],
    lambda task: len(task["labels"]) > 5,
    lambda task: task["assignee"] == "nobody",
)


def measure(folder: Path, before: Sequence[bytes], bodies: Sequence[bytes]) -> tuple[float, float]:
    """Seconds by the clock and of CPU time for `bodies`, after `before` came in untimed."""
    engine = dialect.create_engine(f"sqlite:///{folder / 'floor.db'}")
    writer = engine.execution_options(writing=True)
    try:
        with writer.begin() as tx:
            _meta.create_all(tx)
        _store(writer, before)
        while _batch(writer):
            pass
        _store(writer, bodies)
        clock, cpu = time.perf_counter(), time.process_time()
        while _batch(writer):
            pass
        spent = time.perf_counter() - clock, time.process_time() - cpu
        with engine.connect() as tx:
            found = tx.scalar(sa.select(sa.func.count()).select_from(tasks))
        if found != len(bodies):
            raise RuntimeError(f"{found} tasks of {len(bodies)} deliveries")
        return spent
    finally:
        engine.dispose()


def _store(writer: sa.Engine, bodies: Sequence[bytes]) -> None:
    with writer.begin() as tx:
        tx.execute(sa.insert(inbox), [{"body": body, "done": 0} for body in bodies])


def _batch(writer: sa.Engine) -> int:
    with writer.begin() as tx:
        waiting = sa.select(inbox).where(inbox.c.done == 0).order_by(inbox.c.position).limit(BATCH)
        rows = tx.execute(waiting).all()
        if rows:
            _bring_in(tx, [orjson.loads(row.body)["issue"] for row in rows])
            tx.execute(
                sa.update(inbox).where(inbox.c.position == sa.bindparam("at")).values(done=1),
                [{"at": row.position} for row in rows],
            )
    return len(rows)


def _bring_in(tx: sa.Connection, issues: Sequence[Row]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    numbers = [str(issue["number"]) for issue in issues]
    known = {
        row.external_id: row
        for row in tx.execute(
            sa.select(links.c.external_id, links.c.base, tasks)
            .join(tasks, tasks.c.id == links.c.task)
            .where(links.c.external_id.in_(numbers))
        )
    }
    fresh: list[Row] = []
    changed: list[Row] = []
    fresh_links: list[Row] = []
    changed_links: list[Row] = []
    told: list[Row] = []
    out: list[Row] = []
    for number, issue in zip(numbers, issues, strict=True):
        said: Row = {
            "title": issue["title"],
            "description": issue["body"],
            "status": "done" if issue["state"] == "closed" else "open",
            "assignee": issue["assignee"]["login"] if issue["assignee"] else None,
            "labels": [label["name"] for label in issue["labels"]],
        }
        there = known.get(number)
        if there is None:
            task: Row = {"id": uuid.uuid4().hex, **said, "changed_at": now}
            news: Row = said
        else:
            base = orjson.loads(there.base)
            news = {name: said[name] for name in FIELDS if said[name] != base[name]}
            task = {"id": there.id, **{name: getattr(there, name) for name in FIELDS}}
            task |= {"labels": orjson.loads(there.labels), **news, "changed_at": now}
        if any([condition(task) for condition in CONDITIONS]):
            task["status"] = "blocked"
        base_text = orjson.dumps(said).decode()
        task["labels"] = orjson.dumps(task["labels"]).decode()
        if there is None:
            fresh.append(task)
            fresh_links.append({"external_id": number, "task": task["id"], "base": base_text})
        else:
            changed.append({f"to_{name}": value for name, value in task.items()})
            changed_links.append({"number": number, "said": base_text})
            fields = orjson.dumps(sorted(news)).decode()
            key = uuid.uuid4().hex
            out.append({"key": key, "task": task["id"], "fields": fields, "status": "pending"})
        told.append(
            {
                "id": uuid.uuid4().hex, "task": task["id"], "time": now,
                "type": "task.created" if there is None else "task.updated",
                "changed": orjson.dumps(news).decode(),
            }
        )  # fmt: skip
    to_tasks: Row = {name: sa.bindparam(f"to_{name}") for name in (*FIELDS, "changed_at")}
    for statement, some in (
        (sa.insert(tasks), fresh),
        (sa.insert(links), fresh_links),
        (sa.update(tasks).where(tasks.c.id == sa.bindparam("to_id")).values(to_tasks), changed),
        (
            sa.update(links)
            .where(links.c.external_id == sa.bindparam("number"))
            .values(base=sa.bindparam("said")),
            changed_links,
        ),
        (sa.insert(events), told),
        (sa.insert(outbox), out),
    ):
        if some:
            tx.execute(statement, some)
