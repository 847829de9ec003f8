"""A help desk ticket of about 3 kB, its mapping of 20 fields, and the same by hand, both ways.

The fields are of every usual kind: renamed, mapped values, dates, defaults, list projection,
amounts, people, a condition.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

CONDITIONAL = "custom.escalated_to"
MAPPING = """
mapping: bench-ticket
connection: desk
object: ticket
entity: task
direction: both
fields:
  title: $.ticket.subject
  description: $.ticket.description
  status:
    from: $.ticket.status
    values:
      {new: open, open: in_progress, pending: on_hold, hold: on_hold, solved: done, closed: done}
    back: {on_hold: pending, done: solved, cancelled: closed}
  priority:
    from: $.ticket.priority
    values: {urgent: urgent, high: high, normal: normal, low: low}
  assignee: {from: $.ticket.assignee.email, as: party}
  requester: {from: $.ticket.requester.email, as: party, direction: in}
  waiting_on:
    {from: $.ticket.status, direction: in, otherwise: internal, values: {pending: external}}
  due: {from: $.ticket.due_at, as: datetime}
  start_by: {from: $.ticket.start_on, as: date}
  labels: {from: "$.ticket.tags[*].name", to: "$.ticket.tags[*].name"}
  custom.number: $.ticket.id
  custom.channel: $.ticket.via.channel
  custom.source: $.ticket.via.source.from.address
  custom.organisation: $.ticket.organization.name
  custom.escalated_to: {from: $.ticket.group.name, if: "record.ticket.priority == 'high'"}
  custom.satisfaction: {from: $.ticket.satisfaction.score, default: unoffered}
  custom.amount: {from: $.ticket.fields.amount, as: decimal}
  custom.first_comment: "$.ticket.comments[0].body"
  custom.language: {from: $.ticket.locale, default: en}
  custom.public: $.ticket.is_public
"""

RECORD: dict[str, Any] = {
    "ticket": {
        "id": 35436,
        "subject": "The gate reader of building 7 rejects every card",
        "description": "Since Monday morning. " * 30,
        "status": "pending",
        "type": "incident",
        "priority": "high",
        "assignee": {"id": 235323, "name": "Dana Meier", "email": "dana@acme.test"},
        "requester": {"id": 20978392, "name": "Robin Frey", "email": "robin@customer.test"},
        "due_at": "2026-03-01T17:00:00Z",
        "start_on": "2026-02-20",
        "tags": [{"id": n, "name": name} for n, name in enumerate(["gate", "access", "vip"])],
        "via": {"channel": "email", "source": {"from": {"address": "robin@customer.test"}}},
        "organization": {"id": 57542, "name": "Müller & Söhne AG"},
        "group": {"id": 98738, "name": "Facilities"},
        "satisfaction": {"score": "unoffered"},
        "fields": {"amount": 1250.5, "site": "building 7", "serial": "GR-7-0031"},
        "comments": [
            {"id": n, "author_id": 20978392, "body": "We look into it. " * 8, "public": True}
            for n in range(5)
        ],
        "custom_fields": [{"id": 360012 + n, "value": None} for n in range(8)],
        "locale": "de-CH",
        "is_public": True,
        "collaborators": [{"id": n, "email": f"c{n}@acme.test"} for n in range(6)],
    }
}


class Everyone:
    """A directory in which everybody has a name, so that its cost is that of the call."""

    def party_for(self, connection: str, handle: str) -> str | None:
        """The id made of the handle."""
        return f"p_{handle}"

    def handle_for(self, connection: str, party: str) -> str | None:
        """The handle within the id."""
        return party[2:]


STATUS = {
    "new": "open",
    "open": "in_progress",
    "pending": "on_hold",
    "hold": "on_hold",
    "solved": "done",
    "closed": "done",
}
STATUS_BACK = {
    "open": "new",
    "in_progress": "open",
    "on_hold": "pending",
    "done": "solved",
    "cancelled": "closed",
}


def by_hand(data: dict[str, Any], directory: Everyone) -> dict[str, Any]:
    """What a careful colleague writes for this one ticket system: null-safe, not type-safe."""
    ticket = data["ticket"]
    out: dict[str, Any] = {}
    out["title"] = ticket.get("subject")
    out["description"] = ticket.get("description")
    status = ticket.get("status")
    out["status"] = STATUS[status]
    out["priority"] = ticket.get("priority")
    assignee = (ticket.get("assignee") or {}).get("email")
    out["assignee"] = directory.party_for("desk", assignee) if assignee else None
    requester = (ticket.get("requester") or {}).get("email")
    out["requester"] = directory.party_for("desk", requester) if requester else None
    out["waiting_on"] = "external" if status == "pending" else "internal"
    due = ticket.get("due_at")
    out["due"] = {"at": moment(datetime.fromisoformat(due))} if due else None
    start = ticket.get("start_on")
    out["start_by"] = {"date": date.fromisoformat(start).isoformat()} if start else None
    out["labels"] = [tag["name"] for tag in ticket.get("tags") or []]
    out["custom.number"] = ticket.get("id")
    via = ticket.get("via") or {}
    out["custom.channel"] = via.get("channel")
    out["custom.source"] = ((via.get("source") or {}).get("from") or {}).get("address")
    out["custom.organisation"] = (ticket.get("organization") or {}).get("name")
    if ticket.get("priority") == "high":
        out["custom.escalated_to"] = (ticket.get("group") or {}).get("name")
    out["custom.satisfaction"] = (ticket.get("satisfaction") or {}).get("score") or "unoffered"
    amount = (ticket.get("fields") or {}).get("amount")
    out["custom.amount"] = decimal(amount)
    comments = ticket.get("comments")
    out["custom.first_comment"] = comments[0].get("body") if comments else None
    out["custom.language"] = ticket.get("locale") or "en"
    out["custom.public"] = ticket.get("is_public")
    return out


def moment(value: datetime) -> str:
    """RFC 3339 in UTC."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def decimal(amount: float | None) -> str | None:
    """An exact decimal as text."""
    return format(Decimal(str(amount)), "f") if amount is not None else None


def back_by_hand(values: dict[str, Any], directory: Everyone) -> dict[str, Any]:
    """The same, outward."""
    assignee, due, start = values["assignee"], values["due"], values["start_by"]
    amount = values["custom.amount"]
    return {
        "ticket": {
            "subject": values["title"],
            "description": values["description"],
            "status": STATUS_BACK[values["status"]],
            "priority": values["priority"],
            "assignee": {"email": directory.handle_for("desk", assignee) if assignee else None},
            "due_at": moment(datetime.fromisoformat(due["at"])) if due else None,
            "start_on": date.fromisoformat(start["date"]).isoformat() if start else None,
            "tags": [{"name": label} for label in values["labels"]],
            "id": values["custom.number"],
            "via": {
                "channel": values["custom.channel"],
                "source": {"from": {"address": values["custom.source"]}},
            },
            "organization": {"name": values["custom.organisation"]},
            "group": {"name": values["custom.escalated_to"]},
            "satisfaction": {"score": values["custom.satisfaction"]},
            "fields": {"amount": float(amount) if amount is not None else None},
            "comments": [{"body": values["custom.first_comment"]}],
            "locale": values["custom.language"],
            "is_public": values["custom.public"],
        }
    }
