"""What an account's fields are, what maps each, and what became of them, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.flow.differences import drifts, fields_of
from hub.flow.fitting import roots_read, roots_written
from hub.live import Snapshot

Row = dict[str, Any]


def shown(snapshot: Snapshot, row: Mapping[str, Any]) -> Row:
    """One object of a connection (a row of `schemas`): its fields by name, those that are gone and
    still mapped among them, and what changed, the newest first.
    """
    connection, object = row["connection"], row["object"]
    now = fields_of(row["fields"].get("now", {}))
    before = fields_of(row["fields"].get("before", {}))
    mapping = snapshot.mapping(connection, object)
    maps: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    trouble: dict[str, str] = {}
    if mapping is not None:
        for name, one in mapping.spec.fields.items():
            for root in roots_read(mapping.spec, one) | roots_written(mapping.spec, one):
                maps.setdefault(root, []).append(name)
                places.setdefault(root, str(one.place))
        for found in drifts(mapping, before, now, connection, object):
            trouble[found.root] = found.title
    fields = [
        {
            "name": name,
            "type": one.type if name in now else "gone",
            "label": one.label,
            "choices": list(one.choices),
            "required": one.required,
            "writable": one.writable,
            "maps": maps.get(name, []),
            "place": places.get(name),
            "trouble": trouble.get(name),
        }
        for name, one in sorted({**before, **now}.items())
        if name in now or name in maps
    ]
    return {
        "connection": connection,
        "object": object,
        "seen_at": row["seen_at"],
        "not_read": sorted(snapshot.not_read(connection, object)),
        "not_written": sorted(snapshot.not_written(connection, object)),
        "fields": fields,
        "changes": row["fields"].get("changes", []),
    }
