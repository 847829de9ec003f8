"""Checks that the work of people survives what the hub writes."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sdk.conformance.kit import Stage, check, creates, must, pulls, updates
from connectors.sdk.conformance.pushing import creation, done, push
from connectors.sdk.connector import Tier
from connectors.sdk.records import Json, Outcome
from connectors.sdk.sandbox import Inapplicable


@check(
    "spares-edits-when-repeating",
    Tier.SILVER,
    "A create is repeated after a crash, when people may have worked on the record already; "
    "writing it once more takes their work away.",
    lambda cls, spec: creates(cls, spec) and pulls(cls, spec),
)
def spares_edits_when_repeating(stage: Stage) -> None:
    if not stage.spec.keyed:
        raise Inapplicable("a create is looked up, never repeated")
    change = creation(stage, "kit-50")
    record = done(push(stage, change)[0])
    made = dict(stage.drill.held(stage.object)[record.id])
    stage.drill.edit(stage.object, record.id)
    edited = dict(stage.drill.held(stage.object)[record.id])
    push(stage, change, connector=stage.connector(fresh=True))
    held = stage.drill.held(stage.object)[record.id]
    undone = sorted(
        name
        for name in {*made, *edited}
        if made.get(name) != edited.get(name) and held.get(name) == made.get(name)
    )
    must(not undone, f"The second time it took back what a person had changed: {undone}.")


@check(
    "spares-newer-edits",
    Tier.GOLD,
    "Between the hub's look and its write a person may change the same field; whoever writes "
    "without looking takes that away, and nobody notices.",
    updates,
)
def spares_newer_edits(stage: Stage) -> None:
    record = stage.one()
    before = dict(stage.drill.held(stage.object)[record.id])
    change = stage.drill.collide(record, "kit-51")
    edited = dict(stage.drill.held(stage.object)[record.id])
    (result,) = push(stage, change)
    held = stage.drill.held(stage.object)[record.id]
    both = [name for name in change.fields if before.get(name) != edited.get(name)]
    if result.outcome is not Outcome.CONFLICT:
        must(
            both and all(_kept(before, edited, held, name) for name in both),
            f"A person's newer change is lost, and the write ends as {result.outcome}.",
        )
        return
    lost = [name for name in both if held.get(name) != edited.get(name)]
    must(not lost, f"It is called a conflict, and was written all the same: {lost}.")


def _kept(
    before: Mapping[str, Json], edited: Mapping[str, Json], held: Mapping[str, Json], name: str
) -> bool:
    """Whether what a person did to a field is still there: of a list, what they added and took."""
    old, new, now = before.get(name), edited.get(name), held.get(name)
    if not (isinstance(new, list) and isinstance(now, list)):
        return now == new
    old = old if isinstance(old, list) else []
    added, taken = [one for one in new if one not in old], [one for one in old if one not in new]
    return all(one in now for one in added) and not any(one in now for one in taken)
