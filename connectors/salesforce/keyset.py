"""The arithmetic of a pull by (SystemModstamp, Id): where it stands, and what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connectors.salesforce.soql import literal, moment, quoted
from connectors.sdk import Record
from connectors.sdk.paging import digest
from connectors.sdk.records import Cursor

OVERLAP = timedelta(minutes=5)
"""A long transaction commits with the stamps of its beginning, so each pull looks back this far."""
SEEN_LIMIT = 1000
"""How many records of the overlap a cursor remembers; what it forgets comes twice, harmlessly."""


def back(stamp: str) -> str:
    """The stamp at which a pull begins whose predecessor ended at `stamp`."""
    return literal(moment(stamp) - OVERLAP)


def readable(cursor: Cursor) -> bool:
    """Whether the places in a cursor are such as a pull writes."""
    try:
        stamps = [moment(cursor[name]) for name in ("stamp", "low") if name in cursor]
    except (TypeError, ValueError, AttributeError):
        return False
    whole = "low" in cursor or "id" in cursor or not stamps
    return whole and isinstance(cursor.get("id", ""), str)


def seen(cursor: Cursor) -> dict[str, str]:
    """The states that a cursor remembers."""
    known = cursor.get("seen")
    pairs = known.items() if isinstance(known, dict) else ()
    return {id: state for id, state in pairs if isinstance(state, str)}


def after(stamp: str | None, id: str | None) -> str:
    """WHERE for everything behind one place of the order."""
    if stamp is None or id is None:
        return ""
    return f"(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {quoted(id)}))"


def state(record: Record) -> str:
    """A record's version, then what it holds in short."""
    return f"{record.version} {digest(record.data)[:12]}"


def bounded(seen: Mapping[str, str], low: str) -> dict[str, str]:
    """The newest of those that the next look back will meet again."""
    kept = sorted(((stamp, id) for id, stamp in seen.items() if stamp >= low), reverse=True)
    return {id: stamp for stamp, id in reversed(kept[:SEEN_LIMIT])}
