"""Checks of writing: one effect for each change, and the truth about what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sdk.conformance.kit import (
    Stage,
    attempt,
    check,
    creates,
    must,
    updates,
)
from connectors.sdk.connector import Connector, Tier
from connectors.sdk.errors import TransientError
from connectors.sdk.records import Change, ObjectSpec, Outcome, Record, Result
from connectors.sdk.sandbox import Inapplicable

LOST = (Outcome.OK, Outcome.UNKNOWN)
NOT_DONE = (Outcome.RETRY, Outcome.UNKNOWN)
Concern = Callable[[type[Connector], ObjectSpec], bool]


def deletes(cls: type[Connector], spec: ObjectSpec) -> bool:
    return "delete" in spec.push and creates(cls, spec)


def batches(cls: type[Connector], spec: ObjectSpec) -> bool:
    return spec.batch > 1 and creates(cls, spec)


def creation(stage: Stage, key: str) -> Change:
    """A create as the hub hands it over: with the moment of its intent."""
    from dataclasses import replace

    change = stage.drill.creation(stage.object, key)
    return replace(change, created_at=change.created_at or datetime.now(UTC) - timedelta(seconds=1))


def push(stage: Stage, *changes: Change, connector: Any = None) -> list[Result]:
    """The results of one push, one for each change."""
    results = list((connector or stage.connector()).push(changes))
    must(len(results) == len(changes), f"{len(results)} results for {len(changes)} changes.")
    return results


def done(result: Result) -> Record:
    """The record of a change that must have worked."""
    must(result.outcome is Outcome.OK, f"A good change ends as {result.outcome}: {result.message}")
    must(result.record is not None, "The result does not say what the vendor now holds.")
    assert result.record is not None  # noqa: S101 - for the type checker
    return result.record


def settle(stage: Stage, change: Change, result: Result) -> None:
    """What the hub does after an outcome that is not sure: look up, repeat where that is safe."""
    connector = stage.connector(fresh=True)
    if result.outcome is Outcome.UNKNOWN and stage.spec.find:
        (found,) = connector.find(stage.object, [change])
        if found is not None:
            return
        if not (stage.spec.conclusive or stage.spec.keyed):
            return
    if result.outcome in (Outcome.RETRY, Outcome.UNKNOWN):
        done(push(stage, change, connector=connector)[0])


def new(stage: Stage, before: Sequence[str]) -> set[str]:
    return set(stage.drill.held(stage.object)) - set(before)


def one_effect(stage: Stage, before: Sequence[str], when: str) -> None:
    made = len(new(stage, before))
    must(made == 1, f"{when} there are {made} new records instead of one.")


@check("creates", Tier.SILVER, "What the hub decides must arrive in the tool.", creates)
def it_creates(stage: Stage) -> None:
    change = creation(stage, "kit-1")
    before = list(stage.drill.held(stage.object))
    record = done(push(stage, change)[0])
    must(record.id in new(stage, before), f"The result names {record.id}, which is not new.")
    must(record.object == stage.object, f"The result is a {record.object}: the link would be lost.")
    one_effect(stage, before, "After one create")


@check("updates", Tier.SILVER, "A change must change what it says, and nothing else.", updates)
def it_updates(stage: Stage) -> None:
    record = stage.one()
    change = stage.drill.alteration(record, "kit-2")
    before = len(stage.sandbox.ledger)
    updated = done(push(stage, change)[0])
    must(updated.id == record.id, f"It updated {updated.id} instead of {record.id}.")
    for effect in stage.sandbox.ledger[before:]:
        more = set(effect.fields) - set(change.fields)
        must(not more, f"It also wrote {sorted(more)}, which a person may just have changed.")
    after = {one.id: one for one in stage.pull(stage.connector(fresh=True))[0]}[record.id]
    must(after.data != record.data, "Nothing changed at the vendor.")


@check(
    "shows-what-the-vendor-holds",
    Tier.SILVER,
    "The hub takes the result for the truth; intent in its place hides what a vendor ignored, and "
    "makes the echo look like an edit.",
    updates,
)
def shows_what_the_vendor_holds(stage: Stage) -> None:
    record = stage.one()
    told = done(push(stage, stage.drill.alteration(record, "kit-3"))[0])
    pulled = {one.id: one for one in stage.pull(stage.connector(fresh=True))[0]}[record.id]
    _same(told, pulled)


def _same(told: Record, pulled: Record) -> None:
    differing = sorted(
        name
        for name in {*told.data, *pulled.data}
        if name in told.data and told.data[name] != pulled.data.get(name)
    )
    must(not differing, f"The result and the next pull say different things of {differing}.")
    must(
        told.version is None or pulled.version is None or told.version == pulled.version,
        f"The result has version {told.version}, the next pull {pulled.version}.",
    )


@check(
    "tells-silent-refusals",
    Tier.GOLD,
    "Some vendors say 200 and change nothing; only what they then hold shows it.",
    updates,
)
def tells_silent_refusals(stage: Stage) -> None:
    record = stage.one()
    change = stage.drill.alteration(record, "kit-4")
    stage.drill.ignore_writes(1)
    (result,) = push(stage, change)
    if result.outcome is Outcome.OK:
        pulled = {one.id: one for one in stage.pull(stage.connector(fresh=True))[0]}[record.id]
        _same(done(result), pulled)
    else:
        must(result.message, "It does not say why the change was not made.")


@check(
    "repeats-without-doubling",
    Tier.SILVER,
    "A create is sent again after a crash; two customers get the same mail, two tickets appear.",
    creates,
)
def repeats_without_doubling(stage: Stage) -> None:
    change = creation(stage, "kit-5")
    before = list(stage.drill.held(stage.object))
    first = done(push(stage, change)[0])
    other = stage.connector(fresh=True)
    if stage.spec.find:
        (found,) = other.find(stage.object, [change])
        must(found is not None, "A record that was just made is not found by its key.")
        must(found.id == first.id, f"find gives {found.id} for what became {first.id}.")
    if stage.spec.keyed:
        again = done(push(stage, change, connector=other)[0])
        must(again.id == first.id, "The same key gives another record.")
    one_effect(stage, before, "After the same create once more")


@check(
    "finds-only-its-own",
    Tier.SILVER,
    "A find that takes another record for ours loses the create and spoils that record.",
    lambda cls, spec: creates(cls, spec) and spec.find,
)
def finds_only_its_own(stage: Stage) -> None:
    done(push(stage, creation(stage, "kit-60"))[0])
    changes = [creation(stage, key) for key in ("kit-6", "kit-600")]
    found = stage.connector().find(stage.object, changes)
    must(list(found) == [None, None], "It finds records that were never made.")


@check(
    "updates-again-without-harm",
    Tier.SILVER,
    "An update whose answer was lost is sent again.",
    updates,
)
def updates_again_without_harm(stage: Stage) -> None:
    change = stage.drill.alteration(stage.one(), "kit-7")
    done(push(stage, change)[0])
    held = dict(stage.drill.held(stage.object))
    done(push(stage, change)[0])
    must(set(stage.drill.held(stage.object)) == set(held), "The second time made a record.")


@check(
    "admits-lost-answers",
    Tier.SILVER,
    "The vendor acted and the answer was lost: only `unknown` is true, and one effect must remain.",
    creates,
)
def admits_lost_answers(stage: Stage) -> None:
    change = creation(stage, "kit-8")
    before = list(stage.drill.held(stage.object))
    stage.fields(stage.connector())  # it has signed in by now
    faults = stage.sandbox.faults
    faults.on, faults.cut_after_effect = "write", 1
    (result,) = push(stage, change)
    must(faults.cut_after_effect == 0, "The sandbox did not cut the connection.")
    allowed = (*LOST, Outcome.RETRY) if stage.spec.keyed else LOST
    must(result.outcome in allowed, f"A lost answer ends as {result.outcome}: {result.message}")
    settle(stage, change, result)
    one_effect(stage, before, "After an answer was lost")


@check(
    "knows-what-was-not-sent",
    Tier.SILVER,
    "What never reached the vendor must be sent again, not given up and not taken for done.",
    creates,
)
def knows_what_was_not_sent(stage: Stage) -> None:
    change = creation(stage, "kit-9")
    before = list(stage.drill.held(stage.object))
    stage.fields(stage.connector())  # it has signed in by now
    faults = stage.sandbox.faults
    faults.on, faults.cut_before_effect = "write", 1
    (result,) = push(stage, change)
    must(faults.cut_before_effect == 0, "The sandbox did not cut the connection.")
    must(
        result.outcome in (*NOT_DONE, Outcome.OK), f"A broken connection ends as {result.outcome}."
    )
    settle(stage, change, result)
    if stage.spec.conclusive or stage.spec.keyed or result.outcome is not Outcome.UNKNOWN:
        one_effect(stage, before, "After a broken connection and a second try")


@check(
    "waits-for-a-dead-vendor",
    Tier.SILVER,
    "A vendor that is down for an hour must cost an hour, and no change.",
    creates,
)
def waits_for_a_dead_vendor(stage: Stage) -> None:
    change = creation(stage, "kit-10")
    connector = stage.connector(fresh=True)
    stage.stop()
    error, results = attempt(connector.push, [change])
    must(
        isinstance(error, TransientError)
        or [one.outcome for one in results or ()] == [Outcome.RETRY],
        f"With the vendor down a push gives {error or results}.",
    )


@check(
    "tells-refusals",
    Tier.SILVER,
    "A refusal is for a person to mend: which record, what the vendor says; trying on is useless.",
    creates,
)
def tells_refusals(stage: Stage) -> None:
    change = stage.drill.refusal(stage.object, "kit-11")
    before = len(stage.sandbox.ledger)
    (result,) = push(stage, change)
    must(
        result.outcome is Outcome.REJECTED,
        f"What the vendor refuses ends as {result.outcome}: {result.message}",
    )
    must(len(result.message) > 10, f"The refusal says too little: {result.message!r}")
    must(len(stage.sandbox.ledger) == before, "The sandbox took what it should refuse.")


@check(
    "notices-missing-records",
    Tier.SILVER,
    "A record that a person deleted must not be made anew, nor tried for ever.",
    updates,
)
def notices_missing_records(stage: Stage) -> None:
    record = stage.one()
    change = stage.drill.alteration(record, "kit-12")
    stage.drill.remove(stage.object, record.id)
    (result,) = push(stage, change)
    must(
        result.outcome is Outcome.MISSING,
        f"An update of a deleted record ends as {result.outcome}: {result.message}",
    )
    must(record.id not in stage.drill.held(stage.object), "The record was made anew.")


@check("deletes", Tier.GOLD, "A delete that is sent twice must not be an error.", deletes)
def it_deletes(stage: Stage) -> None:
    record = done(push(stage, creation(stage, "kit-13"))[0])
    change = Change(
        "delete", stage.object, "kit-14", {}, record.id, record.address, record.parent, record.data
    )
    for _ in range(2):
        (result,) = push(stage, change)
        must(
            result.outcome in (Outcome.OK, Outcome.MISSING),
            f"A delete ends as {result.outcome}: {result.message}",
        )
        must(record.id not in stage.drill.held(stage.object), "The record is still there.")


# ---------------------------------------------------------------------------------------- batches


@check(
    "fills-a-batch",
    Tier.GOLD,
    "The hub sends as many changes at once as the connector declares.",
    batches,
)
def fills_a_batch(stage: Stage) -> None:
    count = min(stage.spec.batch, 200)
    before = list(stage.drill.held(stage.object))
    changes = [creation(stage, f"kit-b{number:03}") for number in range(count)]
    begin = len(stage.sandbox.faults.requests)
    records = [done(result) for result in push(stage, *changes)]
    asked = len(stage.sandbox.faults.requests) - begin
    must({one.id for one in records} == new(stage, before), "Not every change became a record.")
    if stage.sandbox.faults.requests:
        must(asked < count, f"{count} changes took {asked} requests: that is no batch.")


@check(
    "tells-parts-of-a-batch-apart",
    Tier.GOLD,
    "One bad record in a hundred must not hold up the others, nor take its neighbour's result.",
    creates,
)
def tells_parts_of_a_batch_apart(stage: Stage) -> None:
    if stage.spec.batch < 3:
        raise Inapplicable("it takes one change at a time")
    before = list(stage.drill.held(stage.object))
    good = [creation(stage, "kit-g1"), creation(stage, "kit-g2")]
    bad = stage.drill.refusal(stage.object, "kit-bad")
    if bad.op != "create":
        raise Inapplicable("the vendor refuses only updates, which come in batches of their own")
    first, refused, last = push(stage, good[0], bad, good[1])
    must(refused.outcome is Outcome.REJECTED, f"The bad one ends as {refused.outcome}.")
    records = [done(first), done(last)]
    must({one.id for one in records} == new(stage, before), "The good ones were not made.")
    if stage.spec.find:
        found = stage.connector().find(stage.object, good)
        must(
            [one and one.id for one in found] == [one.id for one in records],
            "The results stand in another order than the changes.",
        )


@check(
    "keeps-the-order",
    Tier.SILVER,
    "Results are matched to changes by their place.",
    lambda cls, spec: creates(cls, spec) and spec.find,
)
def keeps_the_order(stage: Stage) -> None:
    changes = [creation(stage, key) for key in ("kit-o2", "kit-o1", "kit-o3")]
    records: list[Record] = []
    for start in range(0, 3, stage.spec.batch):
        records += [done(one) for one in push(stage, *changes[start : start + stage.spec.batch])]
    found = stage.connector().find(stage.object, changes[::-1])
    must(
        [one and one.id for one in found] == [one.id for one in records[::-1]],
        "find answers in another order than it was asked.",
    )


@check(
    "does-not-overclaim-find",
    Tier.GOLD,
    "Where searches run behind, not finding a create proves nothing; repeating it doubles it.",
    lambda cls, spec: creates(cls, spec) and spec.find,
)
def does_not_overclaim_find(stage: Stage) -> None:
    change = creation(stage, "kit-15")
    stage.drill.lag(30)
    done(push(stage, change)[0])
    (found,) = stage.connector(fresh=True).find(stage.object, [change])
    must(
        found is not None or not stage.spec.conclusive,
        "It declares find as conclusive, and does not find what was just made.",
    )
