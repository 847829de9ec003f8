"""What a new record would be linked to by its mapping's `match`, asked of the database without
changing anything: for a preview. `hub plan` plays the real thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from hub.flow.matching import AT_MOST
from hub.store import sameness, work
from mappings.compiler import Mapped
from mappings.sameness import Agreement, agreements_of
from mappings.spec import MappingSpec

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WouldMatch:
    """What agrees with a record: `link` is the one that it would be linked to; else a person would
    be asked about these.
    """

    agreement: Agreement
    entities: Sequence[Row]
    link: Row | None = None


def would_match(
    tx: Connection, spec: MappingSpec, connection: str, mapped: Mapped
) -> WouldMatch | None:
    """None: nothing here agrees, and it would become something of its own. What a person said of
    this very record is not known here.
    """
    some = agreements_of(spec)
    for role in ("by", "likely"):
        agreed: dict[str, tuple[Row, Agreement]] = {}
        for agreement in some:
            if agreement.role == role:
                for row in _agreeing(tx, agreement, mapped):
                    agreed.setdefault(row["id"], (row, agreement))
        links = work.links_of(tx, agreed, briefly=True)
        taken = {
            id for id in agreed if any(o["connection"] == connection for o in links.get(id, ()))
        }
        if role == "likely":
            agreed = {id: one for id, one in agreed.items() if id not in taken}
        if not agreed:
            continue
        rows = [agreed[id][0] for id in sorted(agreed)]
        agreement = agreed[rows[0]["id"]][1]
        sure = role == "by" and len(rows) == 1 and not taken
        return WouldMatch(agreement, rows, rows[0] if sure else None)
    return None


def _agreeing(tx: Connection, agreement: Agreement, mapped: Mapped) -> list[Row]:
    key = agreement.key(mapped.values.get)
    if key is None:
        return []
    kept = sameness.having(tx, [key]).get(key)
    if kept is None:  # of files that are not in force, nobody keeps the keys
        kept = sameness.not_kept(tx, {agreement.kind: [agreement]}).get(key, [])
    found = work.load(tx, agreement.kind, sorted(kept)[-AT_MOST:])
    return [row for row in found.values() if key in sameness.keys_of([agreement], row)]
