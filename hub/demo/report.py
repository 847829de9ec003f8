"""What a story did, for people and for machines: acts, cases, who was asked, pushes per
connection, exceptions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from hub.demo.story import Story

Json = Any


def gather(story: Story, seconds: float, error: str | None) -> Json:
    """Everything about a played story as plain JSON."""
    admin = story.admin
    case = admin.get(f"/api/v1/cases/{story.case}") if story.case else None
    pushes = admin.items("/api/v1/pushes", limit="200")
    open_exceptions = admin.items("/api/v1/exceptions")
    return {
        "story": story.world.story,
        "ok": error is None,
        "error": error,
        "seconds": round(seconds, 2),
        "acts": story.acts(),
        "cases": [
            {
                "id": case["id"],
                "title": case["title"],
                "status": case["status"],
                "health": case["health"],
                "outcome": case["outcome"],
                "accountable": case["accountable"]["name"],
                "steps": [
                    {
                        "key": step["key"],
                        "run": step["run"],
                        "title": step["title"],
                        "status": step["status"],
                        "responsible": (step["responsible"] or {}).get("name"),
                        "accountable": (step["accountable"] or {}).get("name"),
                        "completed_at": step["completed_at"],
                    }
                    for step in case["steps"]
                ],
                "links": case["links"],
            }
        ]
        if case
        else [],
        "asked": [
            {
                "connection": push["connection"],
                "to": _names(push["fields"]["to"]),
                "subject": push["fields"]["subject"] or "",  # an answer in a thread has none
                "status": push["status"],
            }
            for push in reversed(pushes)
            if push["object"] == "message" and push["op"] == "create"
        ],
        "pushes": [
            {
                name: push[name]
                for name in ("connection", "object", "op", "external_id", "status", "attempts")
            }
            for push in reversed(pushes)
            if push["object"] != "message"
        ],
        "pushes_per_connection": dict(
            Counter(push["connection"] for push in pushes if push["status"] == "sent")
        ),
        "exceptions": [
            {name: one[name] for name in ("type", "severity", "title", "detail")}
            for one in open_exceptions
        ],
        "tools": story.held(),
    }


def _names(to: str | list[str]) -> list[str]:
    """Mail goes to addresses, a chat message to one member."""
    return [to] if isinstance(to, str) else to


def failed(story: Story, seconds: float, error: str) -> Json:
    """The report of a story whose hub cannot even be asked what happened."""
    return {
        "story": story.world.story,
        "ok": False,
        "error": error,
        "seconds": round(seconds, 2),
        "acts": story.acts(),
        "cases": [],
        "asked": [],
        "pushes": [],
        "exceptions": [],
    }


def show(report: Json, console: Console) -> None:
    """The report as tables."""
    acts = Table(title="What happened", title_justify="left", expand=False)
    for column in ("who", "where", "does", "and then", "s"):
        acts.add_column(column, overflow="fold")
    for act in report["acts"]:
        acts.add_row(act["who"], act["where"], act["what"], act["then"], f"{act['seconds']:.1f}")
    console.print(acts)
    for case in report["cases"]:
        steps = Table(
            title=f"{case['title']}: {case['status']}, {case['accountable']} answers for it",
            title_justify="left",
        )
        for column in ("step", "status", "responsible", "accountable"):
            steps.add_column(column)
        keys = [step["key"] for step in case["steps"]]
        for step in sorted(case["steps"], key=lambda one: keys.index(one["key"])):
            steps.add_row(step["title"], step["status"], step["responsible"], step["accountable"])
        console.print(steps)
    pushed = Table(title="Pushed to the tools", title_justify="left")
    for column in ("connection", "object", "op", "external id", "status"):
        pushed.add_column(column)
    for push in report["pushes"]:
        pushed.add_row(
            push["connection"], push["object"], push["op"], push["external_id"], push["status"]
        )
    for mail in report["asked"]:
        to = ", ".join(mail["to"])
        pushed.add_row(mail["connection"], mail["subject"], "to", to, mail["status"])
    console.print(pushed)
    if report["exceptions"]:
        for one in report["exceptions"]:
            console.print(f"[bold]open exception[/] {one['type']}: {one['title']}. {one['detail']}")
    else:
        console.print("No open exceptions.")
    if report["error"]:
        console.print(f"[bold red]The story failed:[/] {report['error']}")
    console.print(f"{report['seconds']:.1f} s in all.")
