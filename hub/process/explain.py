"""Why a value is what it is: from an entity's events back along their causes to the delivery, the
mapping line, the rule and the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection, RowMapping

from hub import present
from hub.store import events, inbox

DEEPEST = 20
"""Causes of causes that are followed."""


def explain(
    tx: Connection, subject: str, field: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """The events that made `field` of an entity what it is (or everything, without one), newest
    first, each as {event, value, mapping, rules, actor, because}; `because` is the chain of causes,
    the nearest first.
    """
    # an event about other fields says nothing about this one, so look further back for it
    rows = events.of(tx, subject=subject, limit=limit if field is None else 1000)
    found = [row for row in rows if field is None or field in row["changed"]]
    return [_entry(tx, row, field) for row in found[:limit]]


def _entry(tx: Connection, row: RowMapping, field: str | None) -> dict[str, Any]:
    data: Mapping[str, Any] = row["data"]
    places: Mapping[str, str] = data.get("mapping") or {}
    shown = {name: places[name] for name in places if field in (None, name)}
    return {
        "event": present.event(dict(row)),
        "field": field,
        "value": row["changed"].get(field) if field else None,
        "mapping": shown,
        "rules": list(data.get("rules") or ()),
        "actor": row["actor"],
        "because": _because(tx, row),
    }


def _because(tx: Connection, row: RowMapping) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    seen = {row["id"]}
    cause = row["cause"]
    while cause and cause not in seen and len(chain) < DEEPEST:
        seen.add(cause)
        if cause.startswith("evt_"):
            event = events.event(tx, cause)
            if event is None:
                break
            chain.append(
                {
                    "kind": "event",
                    "id": cause,
                    "event": present.event(dict(event)),
                    "rules": list(event["data"].get("rules") or ()),
                    "actor": event["actor"],
                }
            )
            cause = event["cause"]
        elif cause.startswith("dlv_"):
            delivery = inbox.delivery(tx, cause)
            chain.append(
                {
                    "kind": "delivery",
                    "id": cause,
                    "connection": delivery["connection"] if delivery else None,
                    "received_at": delivery["received_at"] if delivery else None,
                }
            )
            break
        else:
            chain.append({"kind": "pull" if cause.startswith("pul_") else "other", "id": cause})
            break
    return chain
