"""The bench's ticket in the languages of others, each doing as much of the work as it can.

What a language has no word for (a person's id, a moment in UTC, an exact decimal) Python does for
it, with the same functions that the hand-written code uses.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from bench._ticket import STATUS, Everyone, decimal, moment

Record = dict[str, Any]
Way = Callable[[Record], Record]


def _due(text: str | None) -> Any:
    return {"at": moment(datetime.fromisoformat(text))} if text else None


def _start(text: str | None) -> Any:
    return {"date": date.fromisoformat(text).isoformat()} if text else None


def _waiting(status: Any) -> str:
    return "external" if status == "pending" else "internal"


def jsonpath_ng(directory: Everyone) -> Way:
    """Each field's path evaluated, its first match converted in Python."""
    from jsonpath_ng.ext.parser import parse

    def party(handle: str | None) -> Any:
        return directory.party_for("desk", handle) if handle else None

    def same(value: Any) -> Any:
        return value

    fields: list[tuple[str, Any, Callable[[Any], Any]]] = [
        (name, parse(f"$.ticket.{path}"), change)
        for name, path, change in (
            ("title", "subject", same),
            ("description", "description", same),
            ("status", "status", STATUS.get),
            ("priority", "priority", same),
            ("assignee", "assignee.email", party),
            ("requester", "requester.email", party),
            ("waiting_on", "status", _waiting),
            ("due", "due_at", _due),
            ("start_by", "start_on", _start),
            ("custom.number", "id", same),
            ("custom.channel", "via.channel", same),
            ("custom.source", "via.source.from.address", same),
            ("custom.organisation", "organization.name", same),
            ("custom.satisfaction", "satisfaction.score", lambda score: score or "unoffered"),
            ("custom.amount", "fields.amount", decimal),
            ("custom.first_comment", "comments[0].body", same),
            ("custom.language", "locale", lambda locale: locale or "en"),
            ("custom.public", "is_public", same),
        )
    ]
    labels = parse("$.ticket.tags[*].name")
    escalated = parse("$.ticket.group.name")
    priority = parse("$.ticket.priority")

    def first(path: Any, record: Record) -> Any:
        found = path.find(record)
        return found[0].value if found else None

    def run(record: Record) -> Record:
        out = {name: change(first(path, record)) for name, path, change in fields}
        out["labels"] = [match.value for match in labels.find(record)]
        if first(priority, record) == "high":
            out["custom.escalated_to"] = first(escalated, record)
        return out

    return run


def glom(directory: Everyone) -> Way:
    """One spec, compiled once."""
    from glom import SKIP, Coalesce, Glommer, Spec, T, Val

    def party(handle: str | None) -> Any:
        return directory.party_for("desk", handle) if handle else None

    def safe(path: str) -> Any:
        return Coalesce(path, default=None)

    spec = Spec(
        {
            "title": safe("ticket.subject"),
            "description": safe("ticket.description"),
            "status": ("ticket.status", STATUS.__getitem__),
            "priority": safe("ticket.priority"),
            "assignee": (safe("ticket.assignee.email"), party),
            "requester": (safe("ticket.requester.email"), party),
            "waiting_on": (safe("ticket.status"), _waiting),
            "due": (safe("ticket.due_at"), _due),
            "start_by": (safe("ticket.start_on"), _start),
            "labels": (Coalesce("ticket.tags", default=()), [T["name"]]),
            "custom.number": safe("ticket.id"),
            "custom.channel": safe("ticket.via.channel"),
            "custom.source": safe("ticket.via.source.from.address"),
            "custom.organisation": safe("ticket.organization.name"),
            "custom.escalated_to": Coalesce(
                (
                    "ticket",
                    lambda ticket: ticket["group"] if ticket["priority"] == "high" else SKIP,
                    Coalesce("name", skip=(SKIP,)),
                ),
                default=SKIP,
            ),
            "custom.satisfaction": Coalesce(
                "ticket.satisfaction.score", skip=(None, ""), default_factory=lambda: "unoffered"
            ),
            "custom.amount": (safe("ticket.fields.amount"), decimal),
            "custom.first_comment": Coalesce("ticket.comments.0.body", default=None),
            "custom.language": Coalesce("ticket.locale", Val("en"), skip=(None, "")),
            "custom.public": safe("ticket.is_public"),
        }
    )
    evaluate = Glommer().glom
    return lambda record: evaluate(record, spec)  # type: ignore[no-any-return]


def jmespath(directory: Everyone) -> Way:
    """One expression for the whole object; the rest in Python."""
    import jmespath as peer

    expression = peer.compile(
        """{
        "title": ticket.subject, "description": ticket.description, "status": ticket.status,
        "priority": ticket.priority, "assignee": ticket.assignee.email,
        "requester": ticket.requester.email, "due": ticket.due_at, "start_by": ticket.start_on,
        "labels": ticket.tags[*].name, "custom.number": ticket.id,
        "custom.channel": ticket.via.channel, "custom.source": ticket.via.source.from.address,
        "custom.organisation": ticket.organization.name,
        "custom.escalated_to": ticket.priority == 'high' && ticket.group.name,
        "custom.satisfaction": ticket.satisfaction.score || 'unoffered',
        "custom.amount": ticket.fields.amount, "custom.first_comment": ticket.comments[0].body,
        "custom.language": ticket.locale || 'en', "custom.public": ticket.is_public
        }"""
    )

    def run(record: Record) -> Record:
        out: Record = expression.search(record)
        out["waiting_on"] = _waiting(out["status"])
        _finish(out, directory)
        if out["custom.escalated_to"] is False:
            del out["custom.escalated_to"]
        out["status"] = STATUS[out["status"]]
        return out

    return run


def jsonata(directory: Everyone) -> Way:
    """One JSONata expression with the value map and the conditions in it (jsonatapy, in Rust)."""
    import jsonatapy

    expression = jsonatapy.compile(
        """(
        $status := {
            "new": "open", "open": "in_progress", "pending": "on_hold", "hold": "on_hold",
            "solved": "done", "closed": "done"
        };
        ticket.{
            "title": subject, "description": description, "status": $lookup($status, status),
            "priority": priority, "assignee": assignee.email, "requester": requester.email,
            "waiting_on": status = "pending" ? "external" : "internal",
            "due": due_at, "start_by": start_on, "labels": [tags.name], "custom.number": id,
            "custom.channel": via.channel, "custom.source": via.source.from.address,
            "custom.organisation": organization.name,
            "custom.escalated_to": priority = "high" ? group.name,
            "custom.satisfaction": satisfaction.score ? satisfaction.score : "unoffered",
            "custom.amount": fields.amount, "custom.first_comment": comments[0].body,
            "custom.language": locale ? locale : "en", "custom.public": is_public
        })"""
    )

    def run(record: Record) -> Record:
        out: Record = expression.evaluate(record)
        return _finish(out, directory)

    return run


def _finish(out: Record, directory: Everyone) -> Record:
    for name in ("assignee", "requester"):
        if handle := out.get(name):
            out[name] = directory.party_for("desk", handle)
    out["due"] = _due(out.get("due"))
    out["start_by"] = _start(out.get("start_by"))
    out["custom.amount"] = decimal(out.get("custom.amount"))
    return out


PEERS: dict[str, Callable[[Everyone], Way]] = {
    "jmespath": jmespath,
    "JSONata (jsonatapy)": jsonata,
    "jsonpath-ng per field": jsonpath_ng,
    "glom": glom,
}
