"""What a mapping costs per record, beside hand-written code and jsonpath-ng per field, in one run.

Run with `python -m bench.mapping`. The three ways give the same values, which is checked first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from jsonpath_ng.ext.parser import parse

from mappings.compiler import compile_mapping
from mappings.language import load_mapping

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
  custom.group: $.ticket.group.name
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
        "priority": "high",
        "assignee": {"id": 235323, "name": "Dana Meier", "email": "dana@acme.test"},
        "requester": {"id": 20978392, "name": "Robin Frey", "email": "robin@customer.test"},
        "due_at": "2026-03-01T17:00:00Z",
        "start_on": "2026-02-20",
        "tags": [{"id": n, "name": name} for n, name in enumerate(["gate", "access", "vip"])],
        "via": {"channel": "email", "source": {"from": {"address": "robin@customer.test"}}},
        "organization": {"id": 57542, "name": "Customer AG"},
        "group": {"id": 98738, "name": "Facilities"},
        "satisfaction": {"score": "unoffered"},
        "fields": {"amount": 1250.5, "site": "building 7", "serial": "GR-7-0031"},
        "comments": [{"id": n, "body": "We look into it. " * 8, "public": True} for n in range(4)],
        "locale": "de-CH",
        "is_public": True,
        "collaborators": [{"id": n, "email": f"c{n}@acme.test"} for n in range(6)],
    }
}


class _Directory:
    def party_for(self, connection: str, handle: str) -> str | None:
        return f"p_{handle}"

    def handle_for(self, connection: str, party: str) -> str | None:
        return party[2:]


_STATUS = {
    "new": "open",
    "open": "in_progress",
    "pending": "on_hold",
    "hold": "on_hold",
    "solved": "done",
    "closed": "done",
}
_STATUS_BACK = {
    "open": "new",
    "in_progress": "open",
    "on_hold": "pending",
    "done": "solved",
    "cancelled": "closed",
}


def by_hand(data: dict[str, Any], directory: _Directory) -> dict[str, Any]:
    """What a careful colleague writes for this one ticket system: null-safe, not type-safe."""
    ticket = data["ticket"]
    out: dict[str, Any] = {}
    out["title"] = ticket.get("subject")
    out["description"] = ticket.get("description")
    status = ticket.get("status")
    out["status"] = _STATUS[status]
    out["priority"] = ticket.get("priority")
    assignee = (ticket.get("assignee") or {}).get("email")
    out["assignee"] = directory.party_for("desk", assignee) if assignee else None
    requester = (ticket.get("requester") or {}).get("email")
    out["requester"] = directory.party_for("desk", requester) if requester else None
    out["waiting_on"] = "external" if status == "pending" else "internal"
    due = ticket.get("due_at")
    out["due"] = {"at": _moment(datetime.fromisoformat(due))} if due else None
    start = ticket.get("start_on")
    out["start_by"] = {"date": date.fromisoformat(start).isoformat()} if start else None
    out["labels"] = [tag["name"] for tag in ticket.get("tags") or []]
    out["custom.number"] = ticket.get("id")
    via = ticket.get("via") or {}
    out["custom.channel"] = via.get("channel")
    out["custom.source"] = ((via.get("source") or {}).get("from") or {}).get("address")
    out["custom.organisation"] = (ticket.get("organization") or {}).get("name")
    out["custom.group"] = (ticket.get("group") or {}).get("name")
    out["custom.satisfaction"] = (ticket.get("satisfaction") or {}).get("score") or "unoffered"
    amount = (ticket.get("fields") or {}).get("amount")
    out["custom.amount"] = format(Decimal(str(amount)), "f") if amount is not None else None
    comments = ticket.get("comments")
    out["custom.first_comment"] = comments[0].get("body") if comments else None
    out["custom.language"] = ticket.get("locale") or "en"
    out["custom.public"] = ticket.get("is_public")
    return out


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def back_by_hand(values: dict[str, Any], directory: _Directory) -> dict[str, Any]:
    """The same, outward."""
    assignee, due, start = values["assignee"], values["due"], values["start_by"]
    amount = values["custom.amount"]
    return {
        "ticket": {
            "subject": values["title"],
            "description": values["description"],
            "status": _STATUS_BACK[values["status"]],
            "priority": values["priority"],
            "assignee": {"email": directory.handle_for("desk", assignee) if assignee else None},
            "due_at": _moment(datetime.fromisoformat(due["at"])) if due else None,
            "start_on": date.fromisoformat(start["date"]).isoformat() if start else None,
            "tags": [{"name": label} for label in values["labels"]],
            "id": values["custom.number"],
            "via": {
                "channel": values["custom.channel"],
                "source": {"from": {"address": values["custom.source"]}},
            },
            "organization": {"name": values["custom.organisation"]},
            "group": {"name": values["custom.group"]},
            "satisfaction": {"score": values["custom.satisfaction"]},
            "fields": {"amount": float(amount) if amount is not None else None},
            "comments": [{"body": values["custom.first_comment"]}],
            "locale": values["custom.language"],
            "is_public": values["custom.public"],
        }
    }


def _microseconds(works: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The best of many short turns per way, per call.

    The ways take turns, so that a busy or slow moment of the machine falls on all of them.
    """
    rounds = {}
    for name, work in works.items():
        start = time.perf_counter()
        for _ in range(200):
            work()
        rounds[name] = max(20, round(200 * 0.01 / (time.perf_counter() - start)))
    best = dict.fromkeys(works, float("inf"))
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(rounds[name]):
                work()
            best[name] = min(best[name], (time.perf_counter() - start) / rounds[name])
    return {name: took * 1e6 for name, took in best.items()}


def measure(seconds: float = 4.0) -> dict[str, float]:
    """Microseconds per record of each way, measured for `seconds` in all."""
    spec, findings = load_mapping("bench.yaml", MAPPING)
    if spec is None or findings:
        raise SystemExit("\n".join(map(str, findings)))
    compiled, directory = compile_mapping(spec), _Directory()
    paths = [parse(source.text) for field in spec.fields.values() for source in field.sources]
    mapped = compiled.inward(RECORD, directory, "desk")
    expected = by_hand(RECORD, directory)
    if mapped.problems or mapped.values != expected:
        raise SystemExit(f"the ways differ: {mapped.problems} {mapped.values} {expected}")
    outward = compiled.outward(mapped.values, directory, "desk")
    expected_back = back_by_hand(mapped.values, directory)
    if outward.problems or outward.fields != expected_back:
        raise SystemExit(f"the ways back differ: {outward} {expected_back}")
    ways: dict[str, Callable[[], Any]] = {
        "by hand, inward": lambda: by_hand(RECORD, directory),
        "ours, inward": lambda: compiled.inward(RECORD, directory, "desk"),
        "jsonpath-ng, reading only": lambda: [path.find(RECORD) for path in paths],
        "by hand, outward": lambda: back_by_hand(mapped.values, directory),
        "ours, outward": lambda: compiled.outward(mapped.values, directory, "desk"),
    }
    return _microseconds(ways, seconds)


def main() -> None:
    """Print each way with its ratio to hand-written code."""
    took = measure()
    size = len(json.dumps(RECORD))
    print(f"one ticket of {size / 1000:.1f} kB, 20 fields, one core")
    for name, microseconds in took.items():
        hand = took["by hand, outward" if name.endswith("outward") else "by hand, inward"]
        print(
            f"{name:28}{microseconds:9.1f} µs {1e6 / microseconds:10,.0f} records/s"
            f" {microseconds / hand:7.2f} x by hand"
        )
    ours, theirs = took["ours, inward"], took["jsonpath-ng, reading only"]
    print(f"ours inward is {theirs / ours:.0f} times as fast as jsonpath-ng per field")


if __name__ == "__main__":
    main()
