"""What became of a push is stored: agreed, tried again later, refused, or unknown and a person's to
settle.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.engine import RowMapping

from connectors.sdk import (
    ObjectSpec,
    Outcome,
    Record,
    Result,
)
from hub.flow import circles, conflicts, connections, dead_letters
from hub.flow.agree import agree
from hub.flow.hops import stamp
from hub.flow.outward import Plan
from hub.flow.quarantine import kept
from hub.flow.read_back import note_sent
from hub.flow.unsaid import Unsaid, quarantine_unsaid, unsaid_of
from hub.hub import Hub
from hub.process.people import owner
from hub.store import circuits, exceptions, queue, records, running, sameness, work
from hub.store.exceptions import Trouble
from hub.unit import Unit

log = structlog.get_logger("hub.deliver")

LONG = 8
"""Attempts, within some ten minutes, after which a person hears of a push that is still tried."""

Row = dict[str, Any]


def record_all(
    hub: Hub,
    claim: queue.Claim,
    spec: ObjectSpec,
    plans: Sequence[Plan],
    results: Mapping[int, Result],
    on_trial: bool = False,
) -> int:
    """Commit what happened, each push on its own where the whole batch will not go. `on_trial`:
    the circuit of their connection was half open, and they tried it.
    """
    try:
        return _commit(hub, claim, spec, plans, results, on_trial=on_trial)
    except queue.LostLease as error:
        log.warning("pushes were taken over", error=str(error))
        return 0
    except Exception:
        if len(plans) == 1:
            log.exception("outcome could not be stored", push=plans[0].row["id"])
            return 0  # its lease runs out, and it is looked up
        return sum(record_all(hub, claim, spec, [plan], results, on_trial) for plan in plans)


def _commit(
    hub: Hub,
    claim: queue.Claim,
    spec: ObjectSpec,
    plans: Sequence[Plan],
    results: Mapping[int, Result],
    *,
    on_trial: bool,
) -> int:
    done = 0
    with hub.unit() as unit:
        ids: dict[str, set[str]] = {}
        for plan in plans:
            if plan.row["entity_type"] != "message" and (plan.change or plan.names is not None):
                ids.setdefault(plan.row["entity_type"], set()).add(plan.row["entity_id"])
        entities = {
            id: entity
            for kind in sorted(ids)
            for id, entity in work.load(unit.tx, kind, ids[kind], lock=True).items()
        }
        for kind in sorted(ids):
            entities |= _merged_meanwhile(unit, kind, ids[kind] - entities.keys())
        unsaid = unsaid_of(unit, entities)
        for plan in plans:
            result = results.get(plan.row["position"])
            with unit.acting(
                unit.actor, cause=plan.row["cause"], correlation=plan.row["correlation"]
            ):
                ended = _settle(unit, claim, spec, plan, result, entities, unsaid)
            done += ended
        _end_loops(unit, plans, results, entities)
        _judge(unit, spec, plans, results, on_trial=on_trial)
    return done


def _end_loops(
    unit: Unit,
    plans: Sequence[Plan],
    results: Mapping[int, Result],
    entities: Mapping[str, Row],
) -> None:
    """What these writes brought to every tool goes round no more."""
    known = {entity["id"]: entity for entity in entities.values()}
    loops = exceptions.open_of(unit.tx, list(known), "loop") if known else ()
    anew: dict[str, set[str]] = {}
    for plan in plans if loops else ():
        result, entity = results.get(plan.row["position"]), entities.get(plan.row["entity_id"])
        if entity and result and result.outcome is Outcome.OK and not plan.row["hops"]:
            anew.setdefault(entity["id"], set()).update(plan.values)
    circles.end(unit, loops, known, anew)


def _merged_meanwhile(unit: Unit, kind: str, gone: Collection[str]) -> dict[str, Row]:
    """Those that answer now for entities that were merged while a write of theirs was on its way,
    by the ids that were.
    """
    into = {id: sameness.answers_for(unit.tx, id) for id in sorted(gone)}
    found = work.load(unit.tx, kind, set(into.values()) - set(gone), lock=True)
    return {id: found[now] for id, now in into.items() if now in found}


ANSWERS = (Outcome.OK, Outcome.REJECTED, Outcome.CONFLICT, Outcome.MISSING)
"""Outcomes that only a tool which is up and well can tell."""


def _judge(
    unit: Unit,
    spec: ObjectSpec,
    plans: Sequence[Plan],
    results: Mapping[int, Result],
    *,
    on_trial: bool,
) -> None:
    """What these outcomes say about the connection: it answers, wants to be left alone, or does
    not answer. A batch that failed as one is one failure.
    """
    connection = plans[0].row["connection"]
    told = [
        (plan, results[plan.row["position"]])
        for plan in plans
        if plan.change is not None and plan.row["position"] in results
    ]
    answered, silent, wait = False, 0, 0.0
    why = ""
    for plan, result in told:
        if plan.unsent:
            continue  # the error was about the connection, and is noted
        if result.outcome in ANSWERS:
            answered, silent = True, 0
        elif result.retry_after is not None:
            wait, why = max(wait, result.retry_after), result.message
            silent = 0
        elif result.outcome is Outcome.RETRY or not plan.looked_up:
            silent, why = silent + 1, result.message
    if answered:
        connections.note_success(unit, connection)
    if wait:
        connections.note_limit(unit, connection, wait, why)
    if silent:
        times = -(-silent // max(1, spec.batch))
        connections.note_trouble(
            unit, connection, why, times=times, on_trial=on_trial and not answered
        )
    elif on_trial and not answered and not any(plan.unsent for plan, _ in told):
        circuits.call_off(unit.tx, connection)  # nobody was called, or it wants some peace


def _settle(
    unit: Unit,
    claim: queue.Claim,
    spec: ObjectSpec,
    plan: Plan,
    result: Result | None,
    entities: Mapping[str, Row],
    unsaid: Unsaid,
) -> bool:
    row = plan.row
    position = row["position"]
    entity = entities.get(row["entity_id"])
    if entity is not None and plan.names is not None:
        ok = result is not None and result.outcome is Outcome.OK
        quarantine_unsaid(unit, plan, entity, unsaid, set(plan.values) if ok else set())
    if plan.agreed and plan.link is not None:
        conflicts.agree(unit, plan.link, plan.agreed)
    if plan.superseded:
        told = {"result": {"by": plan.by}} if plan.by else {}
        queue.finish(unit.tx, claim, [position], "superseded", **told)
        return True
    if plan.arrived:
        result = Result(Outcome.OK, message="it came back before its answer")
    elif plan.waits:
        queue.postpone(
            unit.tx,
            claim,
            position,
            "the record it belongs to is not there yet",
            5.0,
            counted=False,
        )
        return False
    if result is None and plan.problems and plan.error is None:
        why = "; ".join(problem.message for problem in plan.problems)
        queue.finish(unit.tx, claim, [position], "failed", error=why[:2000])
        return True
    if result is None:
        dead_letters.failed(unit, row, plan.error or "Nothing could be written.")
        queue.finish(unit.tx, claim, [position], "failed", error=plan.error)
        return True
    if row["op"] == "delete" and result.outcome is Outcome.MISSING:
        result = Result(Outcome.OK, message="it was gone already")
    match result.outcome:
        case Outcome.OK:
            if row["op"] == "delete" and plan.link is not None:
                work.mark_deleted(unit.tx, plan.link["id"], unit.now)
            external_id = plan.link["external_id"] if plan.link else row["external_id"]
            external_id = result.record.id if result.record else external_id
            if row["entity_type"] != "message":
                agree(
                    unit,
                    plan,
                    result.record,
                    entity,
                    found=plan.looked_up,
                )
            unit.emit(
                "push.sent",
                row["entity_id"],
                data={
                    "push": row["id"],
                    "connection": row["connection"],
                    "object": row["object"],
                    "external_id": external_id,
                    "op": plan.change.op if plan.change else row["op"],
                    "fields": sorted(plan.values),
                    "values": {name: kept(plan.values[name]) for name in sorted(plan.values)},
                    **({"queued": plan.queued} if plan.queued else {}),
                },
            )
            if row["attempts"]:
                dead_letters.there_at_last(unit, row)
            if row["op"] == "update" and entity is not None:
                dead_letters.outdo(unit, row)
            queue.finish(
                unit.tx,
                claim,
                [position],
                "sent",
                sent_at=unit.now,
                external_id=external_id,
                error=None,
                result={
                    "url": result.record.url if result.record else None,
                    "note": result.message,
                    **stamp(result.record),
                },
            )
        case Outcome.CONFLICT if result.record is not None and plan.link is not None:
            _look_again(unit, row, result.record)
            if queue.postpone(unit.tx, claim, position, result.message[:2000], 1.0):
                dead_letters.failed(unit, row, result.message)
            return False
        case Outcome.RETRY | Outcome.CONFLICT:
            waits = (
                plan.unsent
                or result.retry_after is not None
                or row["connection"] in running.paused(unit.tx)
            )
            delay = min(result.retry_after or 0.0, connections.LONGEST) or (
                min(300.0, max(2.0, (unit.now - row["created_at"]).total_seconds() / 2))
                if plan.unsent
                else backoff(row["attempts"])
            )
            if not waits:
                note_sent(unit, plan)
            if not waits and row["attempts"] == LONG:
                dead_letters.takes_long(unit, row, result.message)
            if queue.postpone(
                unit.tx,
                claim,
                position,
                result.message[:2000],
                delay,
                counted=not waits,
                unsure=row["claims"] > 0,
            ):
                dead_letters.failed(unit, row, result.message)
            return False
        case Outcome.MISSING if row["entity_type"] == "message" and row["op"] == "update":
            # somebody deleted the message: nobody need be told there
            queue.finish(unit.tx, claim, [position], "superseded", error=result.message[:2000])
        case Outcome.UNKNOWN:
            return _unknown(unit, claim, spec, plan, result)
        case _:
            dead_letters.failed(unit, row, _why(result), result)
            queue.finish(
                unit.tx,
                claim,
                [position],
                "failed",
                claims=0,  # refused: nothing happened, and a retry need not look
                error=_why(result)[:2000],
                result={
                    "field_errors": dict(result.field_errors),
                    "note": result.message,
                    "code": result.code or None,
                },
            )
    return True


def _look_again(unit: Unit, row: RowMapping, record: Record) -> None:
    """The tool moved underneath us: its state is merged first, and what still differs is written
    then.
    """
    records.enqueue(
        unit.tx,
        [
            records.NewRecord(
                row["connection"],
                record.object,
                record.id,
                "state",
                records.state_of(record),
                "push",
            )
        ],
        unit.now,
    )


def _why(result: Result) -> str:
    fields = "; ".join(f"{name}: {why}" for name, why in result.field_errors.items())
    return ". ".join(part for part in (result.message, fields) if part) or "It was refused."


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: at most 2, doubling to 900, and anywhere in the upper half of
    that, so that pushes do not march in step.
    """
    most = min(900.0, 2.0 * 2.0 ** min(attempts, 20))
    return random.uniform(most / 2, most)  # noqa: S311 - nothing to guess here


def _unknown(unit: Unit, claim: queue.Claim, spec: ObjectSpec, plan: Plan, result: Result) -> bool:
    """The effect may have happened. Where it can be looked up, it soon is; else a person must
    say.
    """
    row = plan.row
    harmless = spec.keyed or (plan.change is not None and plan.change.op != "create")
    if harmless or (spec.find and not plan.looked_up):
        note_sent(unit, plan)
        delay = backoff(row["attempts"])
        if queue.postpone(
            unit.tx, claim, row["position"], result.message[:2000], delay, unsure=True
        ):
            dead_letters.failed(unit, row, result.message)
        return False
    queue.finish(unit.tx, claim, [row["position"]], "unknown", error=result.message[:2000])
    unit.trouble(
        Trouble(
            "push_unknown",
            f"It is not known whether {row['connection']} took a {row['object']}",
            f"{result.message} Look there; then retry the push, or resolve this if it arrived.",
            severity="high",
            subject=row["id"],
            owner=owner(unit),
            data={"connection": row["connection"], "push": row["id"], "entity": row["entity_id"]},
        )
    )
    return True
