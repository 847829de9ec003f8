"""Deliveries are processed again: one, or all that a filter finds, in batches of one transaction
each. The originals stay; each batch is an event that names who asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from hub.process.exceptions import replay_delivery
from hub.store import delivered
from hub.store.delivered import Narrow
from hub.unit import Unit

BATCH = 200
BATCH_BYTES = 16 * 1024 * 1024
"""A batch holds the writer: it stays short whatever the bodies weigh."""


@dataclass(frozen=True, slots=True)
class Run:
    """A replay by filter that is under way: `after` is the last position that is done with, `upto`
    the newest there was when it began. What comes later is not taken.
    """

    narrow: Narrow
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Done:
    """A batch: original and copy of each, and where to go on; `run` None at the end."""

    copies: Sequence[tuple[str, str]]
    run: Run | None


def replay(unit: Unit, run: Run, actor: Mapping[str, Any], *, limit: int = BATCH) -> Done:
    """Queue the next batch of a run."""
    rows = delivered.to_replay(unit.tx, run.narrow, after=run.after, upto=run.upto, limit=limit + 1)
    chosen: list[RowMapping] = []
    size = 0
    for row in rows[:limit]:
        size += row["size"]
        if chosen and size > BATCH_BYTES:
            break
        chosen.append(row)
    pairs = []
    for row in chosen:
        copy = replay_delivery(unit, row["id"], actor)
        if copy is not None:
            pairs.append((str(row["id"]), copy))
    if pairs:
        filter = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(run.narrow).items()
            if value not in (None, False) and name != "ids"
        }
        told(unit, pairs, actor, filter)
    on = Run(run.narrow, chosen[-1]["position"], run.upto) if len(chosen) < len(rows) else None
    return Done(pairs, on)


def replay_one(unit: Unit, delivery: str, actor: Mapping[str, Any]) -> str | None:
    """Queue a copy of one delivery; its id, None if there is no such delivery."""
    copy = replay_delivery(unit, delivery, actor)
    if copy is not None:
        told(unit, [(delivery, copy)], actor, {})
    return copy


def told(
    unit: Unit,
    pairs: Sequence[tuple[str, str]],
    actor: Mapping[str, Any],
    filter: Mapping[str, Any],
) -> None:
    """Note it in the history: who had which deliveries processed again."""
    with unit.acting(actor):
        unit.emit(
            "delivery.replayed",
            pairs[0][0] if len(pairs) == 1 else None,
            data={"deliveries": [one for one, _ in pairs], "filter": dict(filter)},
            told=False,
        )
