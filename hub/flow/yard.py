"""The deletions that one transaction knows of, and the records that must be read to be sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from hub.store import records, tombstones
from hub.store.records import NewRecord
from hub.store.tombstones import Tombstone
from hub.unit import Unit

Key = tuple[str, str, str]
"""Connection, object and the connector's own id of a record: what is left of it once it is gone."""


@dataclass(slots=True)
class Yard:
    """`stones` are those that hold now; the others are to be written."""

    stones: dict[Key, Tombstone] = field(default_factory=dict)
    put: dict[Key, Tombstone] = field(default_factory=dict)
    gone: dict[Key, Tombstone] = field(default_factory=dict)
    asked: dict[Key, NewRecord] = field(default_factory=dict)

    def bury(self, key: Key, version: str | None, heard: datetime) -> None:
        """Remember that a record was deleted: at a version, if the tool told one."""
        before = self.stones.get(key)
        if before is not None:
            version = max(version, before.version) if version and before.version else None
            heard = max(heard, before.heard_at)
        self.stones[key] = self.put[key] = Tombstone(*key, version, heard)
        self.gone.pop(key, None)

    def back(self, key: Key) -> None:
        """It is there again, or was all the time."""
        if (stone := self.stones.pop(key, None)) is not None:
            self.gone[key] = stone
            self.put.pop(key, None)

    def ask(self, key: Key, row: RowMapping | Mapping[str, Any]) -> None:
        """Have a record read, once, because of this row."""
        self.asked[key] = NewRecord(*key, "fetch", {}, row["source"], row["delivery"])

    def save(self, unit: Unit) -> None:
        """Write what has changed, and queue what is to be read."""
        tombstones.take_away(unit.tx, list(self.gone.values()))
        tombstones.put(unit.tx, list(self.put.values()))
        records.enqueue(unit.tx, list(self.asked.values()), unit.now)
        self.put, self.gone, self.asked = {}, {}, {}
