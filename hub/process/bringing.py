"""What comes with a handoff: what was promised, and everything that whoever takes it needs to go on
from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from hub.process.running_case import answered
from hub.store import cases, handoffs, work

Row = Mapping[str, Any]
Brings = dict[str, Any]


def brings(tx: Connection, rows: Sequence[Row]) -> dict[str, Brings]:
    """What each of these handoffs brings, by its id: what the step `delivers`, its `due` and the
    `fields` of its form; the `case` with what it promised; the `links` into tools and the number
    of `comments`; and the `results` of the steps that are over, with their answers.
    """
    about = cases.load(tx, {row["case_id"] for row in rows if row["case_id"]})
    steps = cases.steps_of(tx, list(about))
    by_id = {step["id"]: step for those in steps.values() for step in those}
    named = {row["task_id"] for row in rows if row["task_id"]}
    links = work.links_of(tx, named, briefly=True)
    comments = handoffs.comment_counts(tx, named)
    found: dict[str, Brings] = {}
    for row in rows:
        case, step = about.get(row["case_id"] or ""), by_id.get(row["step_id"] or "")
        task = row["task_id"] or ""
        found[row["id"]] = {
            "step": step["title"] if step else None,
            "delivers": step["delivers"] if step else None,
            "due": step["due"] if step else None,
            "fields": _fields(step["form"]) if step and step["form"] else [],
            "case": {"id": case["id"], "title": case["title"], "due": case["due"]}
            if case
            else None,
            "links": [
                {name: link[name] for name in ("connection", "object", "external_id", "url")}
                for link in links.get(task, ())
            ],
            "comments": comments.get(task, 0),
            "results": [_result(one, case) for one in steps.get(row["case_id"] or "", ())
                        if one["status"] == "completed" and one is not step and case]
        }  # fmt: skip
    return found


def _fields(form: Row) -> list[str]:
    """What a form asks for, as it stands on the page."""
    asked: Mapping[str, Any] = form.get("properties") or {}
    return [str(one.get("title") or name) for name, one in asked.items()]


def _result(step: Row, case: Row) -> Brings:
    return {
        "step": step["key"],
        "title": step["title"],
        "outcome": step["outcome"],
        "answers": answered(case, step) if step["form"] else None,
        "completed_at": step["completed_at"].isoformat().replace("+00:00", "Z")
        if step["completed_at"]
        else None,
    }


def lines(brought: Brings, note: str | None) -> list[tuple[str, str]]:
    """The same as labels and values for a message."""
    found = []
    if note:
        found.append(("A word with it", note))
    if brought["fields"]:
        found.append(("Asked for", ", ".join(brought["fields"])))
    for link in brought["links"]:
        where = link["url"] or link["external_id"]
        found.append((f"In {link['connection']}", str(where)))
    if brought["comments"]:
        number = brought["comments"]
        found.append(("Said so far", f"{number} comment{'' if number == 1 else 's'}"))
    for one in brought["results"][-5:]:
        told = f": {one['outcome']}" if one["outcome"] else ""
        found.append(("Done before", f"{one['title']}{told}"))
    return found
