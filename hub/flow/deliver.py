"""Pushes go out: mapped outward to current state, sent in batches, and what the vendor then holds
becomes the agreement.

No network call happens inside a transaction. A push whose outcome is unknown is looked up before it
is ever repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import OperationalError

from connectors.sdk import (
    ConfigError,
    ConnectorError,
    NotFoundError,
    ObjectSpec,
    Outcome,
    RateLimitError,
    Record,
    RejectedError,
    Result,
    Sink,
    Source,
    UnsupportedError,
)
from hub.failpoints import reach
from hub.flow import connections
from hub.flow.agree import agree
from hub.flow.outward import Plan, plan_all
from hub.flow.stage import take
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import exceptions, inbox, outbox, queue, running, work
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit

log = structlog.get_logger("hub.deliver")

BATCH = 100
LONG = 8
"""Attempts, within some ten minutes, after which a person hears of a push that is still tried."""
CHUNK = 10
"""Pushes after which outcomes are stored, where the tool takes no larger batches."""
Row = dict[str, Any]


def deliver(hub: Hub) -> int:
    """Send a batch of waiting pushes; how many are done with."""
    with hub.database.read() as tx:
        paused = [
            name
            for name, state in running.connection_states(tx).items()
            if state["status"] == "paused"
        ]
    condition = [pushes.c.connection.not_in(paused)] if paused else []
    claim = take(hub, outbox.PUSHES, BATCH, *condition)
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                _failed(unit, row, "Every process that tried to send it died.")
    groups: dict[tuple[str, str], list[RowMapping]] = {}
    for row in claim.rows:
        groups.setdefault((row["connection"], row["object"]), []).append(row)
    done = len(claim.poison)
    for (connection, object), rows in groups.items():
        done += _deliver_group(hub, claim, connection, object, rows)
    return done


def _deliver_group(
    hub: Hub, claim: queue.Claim, connection: str, object: str, rows: Sequence[RowMapping]
) -> int:
    snapshot = hub.live.current()
    try:
        connector = snapshot.connector(connection)
        spec = connector.objects.get(object)
        if not isinstance(connector, Sink) or spec is None:
            raise ConfigError(f"Nothing can be written to {object} of '{connection}'.")
    except ConnectorError as error:
        _hold_back(hub, claim, connection, rows, error)
        return 0
    plans = _plan(hub, snapshot, rows)
    reach("deliver.claimed")
    done = 0
    size = max(CHUNK, spec.batch)
    for start in range(0, len(plans), size):
        some = plans[start : start + size]
        if start and not _still_ours(hub, claim, plans[start:]):
            break
        done += _deliver_some(hub, claim, connector, connection, object, spec, some)
    return done


def _still_ours(hub: Hub, claim: queue.Claim, plans: Sequence[Plan]) -> bool:
    """Keep the lease of what is still to be sent while a slow tool takes its time."""
    with hub.database.write() as tx:
        return queue.renew(tx, claim, [plan.row["position"] for plan in plans])


def _deliver_some(
    hub: Hub,
    claim: queue.Claim,
    connector: Sink,
    connection: str,
    object: str,
    spec: ObjectSpec,
    plans: Sequence[Plan],
) -> int:
    """Send a few pushes and store what became of them, before the next few."""
    ready = [plan for plan in plans if plan.change is not None]
    results: dict[int, Result] = {}
    settled: dict[int, Result] = {}
    try:
        settled = _look_up(connector, object, spec, ready)
        results |= settled
        rest = [plan for plan in ready if plan.row["position"] not in settled]
        _note_creates(hub, claim, rest)
        size = max(1, spec.batch)
        for start in range(0, len(rest), size):
            some = rest[start : start + size]
            answers = connector.push([plan.change for plan in some if plan.change])
            results |= {
                plan.row["position"]: answer for plan, answer in zip(some, answers, strict=True)
            }
    except (queue.LostLease, OperationalError) as error:
        log.warning("pushes were taken over", error=str(error))
        return 0
    except ConnectorError as error:
        unsent = [plan for plan in ready if plan.row["position"] not in results]
        for plan in unsent:
            results[plan.row["position"]] = _as_result(error)
            plan.unsent = True
        _note(hub, connection, error)
    except Exception as error:
        # a connector's bug: the effect may have happened, so these are unknown, not failed
        log.exception("connector failed", connection=connection)
        for plan in ready:
            results.setdefault(
                plan.row["position"],
                Result(Outcome.UNKNOWN, message=f"{type(error).__name__}: {error}"),
            )
    for plan in plans:
        plan.looked_up = plan.row["position"] in settled
    if ready:
        reach("deliver.pushed")
    done = _record(hub, claim, spec, plans, results)
    reach("deliver.recorded")
    return done


def _plan(hub: Hub, snapshot: Snapshot, rows: Sequence[RowMapping]) -> list[Plan]:
    """What the rows write; one that cannot be worked out does not stop the others."""
    try:
        with hub.database.read() as tx:
            return plan_all(hub, snapshot, tx, rows)
    except OperationalError:
        raise
    except Exception as error:
        if len(rows) > 1:
            return [plan for row in rows for plan in _plan(hub, snapshot, [row])]
        log.exception("push could not be worked out", push=rows[0]["id"])
        return [Plan(rows[0], error=f"{type(error).__name__}: {error}"[:2000])]


def _note_creates(hub: Hub, claim: queue.Claim, plans: Sequence[Plan]) -> None:
    sent = {
        plan.row["position"]: plan.values
        for plan in plans
        if plan.change and plan.change.op == "create" and plan.row["entity_type"] != "message"
    }
    if sent:
        with hub.database.write() as tx:
            outbox.note_creates(tx, claim, sent)


def _as_result(error: ConnectorError) -> Result:
    """An error about the whole connection, as what it means for one push: nothing was written."""
    retry_after = error.retry_after if isinstance(error, RateLimitError) else None
    if isinstance(error, RejectedError):
        return Result(Outcome.REJECTED, message=str(error), field_errors=error.field_errors)
    if isinstance(error, NotFoundError):
        return Result(Outcome.MISSING, message=str(error))
    return Result(Outcome.RETRY, message=str(error), retry_after=retry_after)


def _note(hub: Hub, connection: str, error: ConnectorError) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Iterable[RowMapping],
    error: ConnectorError,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)
        for row in rows:
            queue.postpone(unit.tx, claim, row["position"], str(error)[:2000], 30.0, counted=False)


def _look_up(
    connector: Any, object: str, spec: ObjectSpec, plans: Sequence[Plan]
) -> dict[int, Result]:
    """What became of creates that were begun before and never heard of again: found, or proven
    not to have happened. Also where repeating has one effect (`keyed`): a repeat could overwrite
    what a person has made of the record since.
    """
    unsure = [
        plan
        for plan in plans
        if plan.change is not None and plan.change.op == "create" and plan.row["claims"] > 0
    ]
    if not unsure or (spec.keyed and not spec.find):
        return {}
    settled: dict[int, Result] = {}
    if not (spec.find and isinstance(connector, Source)):
        return {
            plan.row["position"]: Result(
                Outcome.UNKNOWN, message="It was begun before, and cannot be looked up there."
            )
            for plan in unsure
        }
    try:
        found = connector.find(object, [plan.change for plan in unsure if plan.change])
    except UnsupportedError as error:
        return {
            plan.row["position"]: Result(Outcome.UNKNOWN, message=str(error)) for plan in unsure
        }
    for plan, record in zip(unsure, found, strict=True):
        if record is not None:
            settled[plan.row["position"]] = Result(Outcome.OK, record, "found by its key")
        elif not (spec.conclusive or spec.keyed):
            settled[plan.row["position"]] = Result(
                Outcome.UNKNOWN, message="It was begun before and was not found there."
            )
    return settled


# -------------------------------------------------------------------------------------- recording


def _record(
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
        return sum(_record(hub, claim, spec, [plan], results) for plan in plans)


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
            if plan.row["entity_type"] != "message" and plan.change is not None:
                ids.setdefault(plan.row["entity_type"], set()).add(plan.row["entity_id"])
        entities = {
            id: entity
            for kind in sorted(ids)
            for id, entity in work.load(unit.tx, kind, ids[kind], lock=True).items()
        }
        successes = 0
        for plan in plans:
            result = results.get(plan.row["position"])
            with unit.acting(
                unit.actor, cause=plan.row["cause"], correlation=plan.row["correlation"]
            ):
                ended = _settle(unit, claim, spec, plan, result, entities)
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
) -> bool:
    row = plan.row
    position = row["position"]
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
    if result is None:
        _failed(unit, row, plan.error or "Nothing could be written.")
        queue.finish(unit.tx, claim, [position], "failed", error=plan.error)
        return True
    if plan.error:
        _unmapped(unit, row, plan.error)
    match result.outcome:
        case Outcome.OK:
            external_id = plan.link["external_id"] if plan.link else row["external_id"]
            external_id = result.record.id if result.record else external_id
            if row["entity_type"] != "message":
                agree(
                    unit,
                    plan,
                    result.record,
                    entities.get(row["entity_id"]),
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
                _failed(unit, row, result.message)
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
                _failed(unit, row, result.message)
            return False
        case Outcome.UNKNOWN:
            return _unknown(unit, claim, spec, plan, result)
        case _:
            _failed(unit, row, _why(result))
            queue.finish(
                unit.tx,
                claim,
                [position],
                "failed",
                claims=0,  # refused: nothing happened, and a retry need not look
                error=_why(result)[:2000],
                result={"field_errors": dict(result.field_errors), "note": result.message},
            )
    return True


def _look_again(unit: Unit, row: RowMapping, record: Record) -> None:
    """The tool moved underneath us: its state is merged first, and what still differs is written
    then.
    """
    inbox.enqueue(
        unit.tx,
        [
            inbox.NewRecord(
                row["connection"], record.object, record.id, "state", inbox.state_of(record), "push"
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
            _failed(unit, row, result.message)
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


def _unmapped(unit: Unit, row: RowMapping, error: str) -> None:
    unit.trouble(
        Trouble(
            "unmapped_value",
            f"Not everything could be written to {row['connection']}",
            f"{error}. The rest was written.",
            subject=row["entity_id"],
            owner=owner(unit),
            place=f"{row['connection']}/outward",
            data={"connection": row["connection"], "push": row["id"]},
        )
    )


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


def _failed(unit: Unit, row: RowMapping, why: str) -> None:
    unit.emit(
        "push.failed",
        row["entity_id"],
        data={"push": row["id"], "connection": row["connection"], "why": why[:500]},
    )
    unit.trouble(
        Trouble(
            "push_failed",
            f"A {row['object']} could not be written to {row['connection']}",
            f"{why} Mend the cause, then retry it: hub pushes retry {row['id']}",
            severity="high",
            subject=row["id"],
            owner=owner(unit),
            data={"connection": row["connection"], "push": row["id"], "entity": row["entity_id"]},
        )
    )
