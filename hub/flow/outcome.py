"""What became of a push is stored: agreed, tried again later, refused, or unknown and a person's to
settle.
"""

from __future__ import annotations

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
from hub.flow import change, connections
from hub.flow.agree import agree
from hub.flow.outward import Plan
from hub.flow.quarantine import end, field_trouble, is_outward, kept
from hub.hub import Hub
from hub.participants import messages
from hub.process.people import owner
from hub.store import exceptions, queue, records, running, work
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
) -> int:
    """Commit what happened, each push on its own where the whole batch will not go."""
    try:
        return _commit(hub, claim, spec, plans, results)
    except queue.LostLease as error:
        log.warning("pushes were taken over", error=str(error))
        return 0
    except Exception:
        if len(plans) == 1:
            log.exception("outcome could not be stored", push=plans[0].row["id"])
            return 0  # its lease runs out, and it is looked up
        return sum(record_all(hub, claim, spec, [plan], results) for plan in plans)


def _commit(
    hub: Hub,
    claim: queue.Claim,
    spec: ObjectSpec,
    plans: Sequence[Plan],
    results: Mapping[int, Result],
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
        unsaid = _unsaid(unit, entities)
        successes = 0
        for plan in plans:
            result = results.get(plan.row["position"])
            with unit.acting(
                unit.actor, cause=plan.row["cause"], correlation=plan.row["correlation"]
            ):
                ended = _settle(unit, claim, spec, plan, result, entities, unsaid)
            done += ended
            successes += bool(result and result.outcome is Outcome.OK)
        if successes:
            connections.note_success(unit, plans[0].row["connection"])
    return done


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
        _quarantine(unit, plan, entity, unsaid, set(plan.values) if ok else set())
    if plan.superseded:
        queue.finish(unit.tx, claim, [position], "superseded")
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
        failed(unit, row, plan.error or "Nothing could be written.")
        queue.finish(unit.tx, claim, [position], "failed", error=plan.error)
        return True
    match result.outcome:
        case Outcome.OK:
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
                },
            )
            if row["attempts"]:
                _there_at_last(unit, row)
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
                },
            )
        case Outcome.CONFLICT if result.record is not None and plan.link is not None:
            _look_again(unit, row, result.record)
            if queue.postpone(unit.tx, claim, position, result.message[:2000], 1.0):
                failed(unit, row, result.message)
            return False
        case Outcome.RETRY | Outcome.CONFLICT:
            waits = (
                plan.unsent
                or result.retry_after is not None
                or row["connection"] in running.paused(unit.tx)
            )
            delay = result.retry_after or (
                min(300.0, max(2.0, (unit.now - row["created_at"]).total_seconds() / 2))
                if plan.unsent
                else _backoff(row["attempts"], row["id"])
            )
            if not waits and row["attempts"] == LONG:
                _takes_long(unit, row, result.message)
            if queue.postpone(
                unit.tx,
                claim,
                position,
                result.message[:2000],
                delay,
                counted=not waits,
                unsure=row["claims"] > 0,
            ):
                failed(unit, row, result.message)
            return False
        case Outcome.MISSING if row["entity_type"] == "message" and row["op"] == "update":
            # somebody deleted the message: nobody need be told there
            queue.finish(unit.tx, claim, [position], "superseded", error=result.message[:2000])
        case Outcome.UNKNOWN:
            return _unknown(unit, claim, spec, plan, result)
        case _:
            failed(unit, row, _why(result))
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


def _backoff(attempts: int, seed: str) -> float:
    """Seconds until the next attempt: doubling from 2 to 900, spread by a quarter so that pushes
    do not march in step.
    """
    base = min(900.0, 2.0 * 2.0**attempts)
    return base * (0.875 + 0.25 * (hash(seed) % 1000) / 1000)


def _unknown(unit: Unit, claim: queue.Claim, spec: ObjectSpec, plan: Plan, result: Result) -> bool:
    """The effect may have happened. Where it can be looked up, it soon is; else a person must
    say.
    """
    row = plan.row
    harmless = spec.keyed or (plan.change is not None and plan.change.op != "create")
    if harmless or (spec.find and not plan.looked_up):
        delay = _backoff(row["attempts"], row["id"])
        if queue.postpone(
            unit.tx, claim, row["position"], result.message[:2000], delay, unsure=True
        ):
            failed(unit, row, result.message)
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


Unsaid = dict[tuple[str, str], dict[str, Row]]
"""Open exceptions about values without a form in a tool, by entity and connection, then field."""


def _unsaid(unit: Unit, entities: Collection[str]) -> Unsaid:
    found: Unsaid = {}
    if entities:
        for one in exceptions.open_of(unit.tx, list(entities), *exceptions.UNMAPPED):
            if is_outward(one) and one["data"].get("field"):
                key = (one["subject"], one["data"]["connection"])
                found.setdefault(key, {})[one["data"]["field"]] = one
    return found


def _quarantine(unit: Unit, plan: Plan, entity: Row, unsaid: Unsaid, said: Collection[str]) -> None:
    """Show each value that has no form in the tool; what was said now, or need not be said any
    more, comes to an end.
    """
    row = plan.row
    mapping = unit.snapshot.mapping(row["connection"], row["object"])
    open_ = unsaid.setdefault((row["entity_id"], row["connection"]), {})
    bad = {problem.field for problem in plan.problems}
    over = [
        open_.pop(name)
        for name in list(open_)
        if name not in bad and (name in said or name not in (plan.names or ()))
    ]
    if over:
        revision = unit.snapshot.revision
        mended = [one for one in over if one["data"]["field"] in said and _same(one, entity)]
        end(unit, {f"mended by revision {revision}": mended})
        end(unit, {"it could be said, or need not be": [one for one in over if one not in mended]})
    if mapping is None:
        return
    where = {
        "connection": row["connection"],
        "object": row["object"],
        "external_id": plan.link["external_id"] if plan.link else row["external_id"],
    }
    for problem in plan.problems:
        before = open_.get(problem.field)
        if before is not None and before["type"] != problem.kind:
            end(unit, {"it fails in another way now": [open_.pop(problem.field)]})
            before = None
        counted = before is None or before["data"].get("raw") != kept(problem.raw)
        unit.trouble(
            field_trouble(
                unit, mapping, problem, entity, where, direction="out", counted=counted,
                push=row["id"],
            )
        )  # fmt: skip


def _same(row: Row, entity: Row) -> bool:
    """Whether ours is still what could not be said: then another revision made the difference."""
    return bool(row["data"].get("raw") == kept(change.value_of(entity, row["data"]["field"])))


def _takes_long(unit: Unit, row: RowMapping, why: str) -> None:
    unit.trouble(
        Trouble(
            "push_failed",
            f"A {row['object']} cannot be written to {row['connection']} yet",
            f"{why} It is tried again for about a day; this closes by itself once it is there.",
            subject=row["id"],
            owner=owner(unit),
            place="not yet",
            data={"connection": row["connection"], "push": row["id"], "entity": row["entity_id"]},
        )
    )


def _there_at_last(unit: Unit, row: RowMapping) -> None:
    for trouble in exceptions.open_of(unit.tx, row["id"]):
        exceptions.close(unit.tx, trouble["id"], "resolved", unit.now, None, "it was sent")
        unit.emit("exception.resolved", trouble["id"], data={"why": "it was sent"})


def failed(unit: Unit, row: RowMapping, why: str) -> None:
    unit.emit(
        "push.failed",
        row["entity_id"],
        data={"push": row["id"], "connection": row["connection"], "why": why[:500]},
    )
    is_message = row["entity_type"] == "message" and row["op"] == "create"
    if is_message and row["fields"].get("hub", {}).get("courtesy"):
        return
    mailed = is_message and messages.by_mail_instead(unit, row)
    remedy = f"Mend the cause, then retry it: hub pushes retry {row['id']}"
    unit.trouble(
        Trouble(
            "push_failed",
            f"A {row['object']} could not be written to {row['connection']}",
            f"{why} {'It went by mail instead; mend the cause.' if mailed else remedy}",
            severity="normal" if mailed else "high",
            subject=row["id"],
            owner=owner(unit),
            data={"connection": row["connection"], "push": row["id"], "entity": row["entity_id"]},
        )
    )
