"""Events that a step waits for: found for the cases that they are meant for, and kept there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from hub.process import advance as engine
from hub.process.advance import with_element
from hub.process.cases import settle
from hub.process.effects import carry_out
from hub.process.model import Wait
from hub.process.running_case import Running, definition_of, hold, seen_case
from hub.store import cases, waits
from hub.store.events import EventDraft
from hub.unit import SYSTEM, Unit
from mappings.expressions import Context, ExpressionError, context

Row = dict[str, Any]


def hear(unit: Unit, event: EventDraft, seen: Callable[[], Context]) -> None:
    """Let every step that waits for this event have it, and its case go on. `seen` makes what
    conditions see of the event; it is asked only if some definition waits for its type.
    """
    keyed: list[tuple[str, str, str]] = []
    about: list[tuple[str, str]] = []
    sees: Context | None = None
    for version, key, wait in _listening(unit, event.type):
        if wait.key is None:
            about.append((version, key))
            continue
        sees = sees or _without_case(seen())
        try:
            said = wait.key.render(sees)
        except ExpressionError as error:
            _trace(event, f"{wait.key_place} {key}: {error}")
            continue
        if said not in (None, ""):
            keyed.append((version, key, str(said)[:300]))
    if not keyed and not about:
        return
    item = event.subject if event.type.startswith("item.") else None
    found = waits.meant(unit.tx, keyed, about, [event.case] if event.case else [], item)
    for case, rows in groupby(found, key=lambda row: str(row["case_id"])):
        with unit.acting(SYSTEM, cause=event.id, correlation=event.correlation):
            _tell(unit, case, list(rows), event, sees or _without_case(seen()))


def _listening(unit: Unit, event_type: str) -> list[tuple[str, str, Wait]]:
    if unit.listening is None:
        unit.listening = {
            version: definition_of(unit.tx, version).waits for version in waits.listening(unit.tx)
        }
    return [
        (version, key, wait)
        for version, found in unit.listening.items()
        for key, wait in found.items()
        if wait.listens_to(event_type)
    ]


def _without_case(sees: Context) -> Context:
    """What is seen of an event, without the case that it happened in: `case` is who waits."""
    sees.settle()
    return context({name: value for name, value in sees.items() if name != "case"})


def _trace(event: EventDraft, said: str) -> None:
    event.data = {**event.data, "traces": [*event.data.get("traces", ()), said]}


def _tell(
    unit: Unit, case: str, rows: Sequence[Mapping[str, Any]], event: EventDraft, sees: Context
) -> None:
    """Let the steps of one case that may be meant have the event."""
    held = hold(unit, case)
    ids = {row["step_id"] for row in rows}
    effects: list[engine.Effect] = []
    for step in held.steps:
        if step["id"] in ids and _is_meant(held, step, event, sees):
            effects += engine.on_heard(held.state(), held.definition, step["key"], step["run"])
    if not effects:
        return
    if event.subject and event.type.startswith("item."):
        cases.add_item(unit.tx, case, event.subject)
    carry_out(unit, held, effects)
    settle(unit, case)


def _is_meant(held: Running, step: Row, event: EventDraft, sees: Context) -> bool:
    wait = held.definition.steps[step["key"]].wait
    if wait is None or wait.filter is None:
        return wait is not None
    mine = Context(sees)
    mine.update(context({"case": seen_case(held.case)}))
    try:
        return wait.filter.evaluate(with_element(mine, step["element"], step["each_index"]))
    except ExpressionError as error:
        _trace(event, f"{wait.filter_place} {step['key']}: {error}")
        return False
