"""What tells a delivery from every other where the vendor names none: made of what its signature
covers, so that nobody can have one thing done twice, or a later one taken for an earlier.

Each function reads a body that is proved already, and gives None where nothing tells two apart:
such a delivery is never taken for another, and doing it twice is harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from connectors.sdk.errors import PayloadError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.records import Delivery, Json

Identify = Callable[[Delivery], str | None]


def of_body(delivery: Delivery) -> str:
    """The body as a whole: for vendors that write a time, a number or a version into each."""
    return "sha256:" + hashlib.sha256(delivery.body).hexdigest()


def of_channel(delivery: Delivery) -> str | None:
    """Google's channel and the number of the message in it."""
    channel = delivery.headers.get("x-goog-channel-id", "")
    number = delivery.headers.get("x-goog-message-number", "")
    return f"{channel}:{number}" if channel and number else None


def of_slack(delivery: Delivery) -> str | None:
    """The event, or what an interaction triggers; both are signed."""
    body = _body(delivery)
    return _text(body.get("event_id")) or _text(body.get("trigger_id"))


def of_hubspot(delivery: Delivery) -> str | None:
    """Of each event the subscription, object, property, moment and value: `eventId` is not unique,
    and `attemptNumber` is another each time.
    """
    names = ("subscriptionId", "objectId", "propertyName", "occurredAt", "propertyValue")
    return _of_each(_list(delivery, None), names, needed="occurredAt")


def of_asana(delivery: Delivery) -> str | None:
    """Of each event the thing, the action, the moment and the field. A heartbeat has none."""
    rows = [
        {
            "gid": _inside(one, "resource", "gid"),
            "action": one.get("action"),
            "at": one.get("created_at"),
            "field": _inside(one, "change", "field"),
            "parent": _inside(one, "parent", "gid"),
        }
        for one in _list(delivery, "events")
    ]
    return _of_each(rows, ("gid", "action", "at", "field", "parent"), needed="at")


def of_graph(delivery: Delivery) -> str | None:
    """Of each notification its own id, or the thing and its version (etag); None where one of them
    has neither, as two changes of one thing look the same then.
    """
    rows = []
    for one in _list(delivery, "value"):
        data = one.get("resourceData")
        etag = data.get("@odata.etag") if isinstance(data, dict) else None
        rows.append({**one, "mark": _text(one.get("id")) or _text(etag)})
    names = ("subscriptionId", "changeType", "resource", "lifecycleEvent", "mark")
    return _of_each(rows, names, needed="mark")


def of_airtable(delivery: Delivery) -> str | None:
    """Base, webhook and moment of the ping."""
    body = _body(delivery)
    row = {
        "base": _inside(body, "base", "id"),
        "webhook": _inside(body, "webhook", "id"),
        "at": body.get("timestamp"),
    }
    return _of_each([row], ("base", "webhook", "at"), needed="at")


def of_linear(delivery: Delivery) -> str | None:
    """The thing, what was done and the version it has since; Linear-Delivery is not signed."""
    body = _body(delivery)
    row = {
        "type": body.get("type"),
        "action": body.get("action"),
        "id": _inside(body, "data", "id"),
        "at": _inside(body, "data", "updatedAt") or body.get("createdAt"),
        "webhook": body.get("webhookId"),
    }
    return _of_each([row], ("type", "action", "id", "at", "webhook"), needed="at")


def _of_each(
    rows: Sequence[Mapping[str, Json]], names: Sequence[str], *, needed: str
) -> str | None:
    """One id for all rows, whatever their order in the delivery."""
    if not rows or any(row.get(needed) in (None, "") for row in rows):
        return None
    parts = sorted(json.dumps([row.get(name) for name in names], default=str) for row in rows)
    return "sha256:" + hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()


def _parsed(delivery: Delivery) -> Json:
    try:
        return decode_json(delivery.body, "the delivery")
    except PayloadError:
        return None


def _body(delivery: Delivery) -> Mapping[str, Json]:
    found = _parsed(delivery)
    return found if isinstance(found, dict) else {}


def _list(delivery: Delivery, name: str | None) -> list[Mapping[str, Json]]:
    """The events of a delivery; none where one of them is no object."""
    found = _parsed(delivery)
    if name is not None:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return []
    return found


def _inside(row: Mapping[str, Json], name: str, inner: str) -> Json:
    value = row.get(name)
    return value.get(inner) if isinstance(value, dict) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
