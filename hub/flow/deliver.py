"""Pushes go out: mapped outward to current state, sent in batches, and what the vendor then holds
becomes the agreement.

No network call happens inside a transaction. A push whose outcome is unknown is looked up before it
is ever repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
    RejectedError,
    Result,
    Sink,
    Source,
    UnsupportedError,
)
from hub.failpoints import reach
from hub.flow import connections
from hub.flow.dead_letters import failed
from hub.flow.identity import identified
from hub.flow.outcome import record_all
from hub.flow.outward import Plan, plan_all
from hub.flow.read_back import read_back
from hub.flow.refused import push_again
from hub.flow.stage import take
from hub.hub import Hub
from hub.live import Snapshot
from hub.store import circuits, outbox, queue

log = structlog.get_logger("hub.deliver")

BATCH = 100
CHUNK = 10
"""Pushes after which outcomes are stored, where the tool takes no larger batches."""
Row = dict[str, Any]


def deliver(hub: Hub) -> int:
    """Send a batch of waiting pushes; how many are done with. Those of connections that nobody may
    call stay where they are; of one whose circuit is half open, a single one tries.
    """
    claim = take(hub, outbox.PUSHES, BATCH, circuits.shut)
    done = _send(hub, claim) if claim is not None else 0
    with hub.database.read() as tx:
        names = circuits.half_open(tx)
    return done + sum(_try_out(hub, name) for name in names)


def _try_out(hub: Hub, connection: str) -> int:
    """Be the one that tries whether a tool answers again, if anything waits for it."""
    with hub.database.write() as tx:
        if not outbox.waits(tx, connection) or not circuits.begin_trial(tx, connection):
            return 0
        claim = queue.claim(tx, outbox.PUSHES, 1, only=connection)
        if not claim.rows:
            circuits.call_off(tx, connection)
    return _send(hub, claim, on_trial=True) if claim else 0


def _send(hub: Hub, claim: queue.Claim, *, on_trial: bool = False) -> int:
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                failed(unit, row, "Every process that tried to send it died.")
    groups: dict[tuple[str, str], list[RowMapping]] = {}
    for row in claim.rows:
        groups.setdefault((row["connection"], row["object"]), []).append(row)
    done = len(claim.poison)
    for (connection, object), rows in groups.items():
        done += _deliver_group(hub, claim, connection, object, rows, on_trial=on_trial)
    return done


def _deliver_group(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    object: str,
    rows: Sequence[RowMapping],
    *,
    on_trial: bool,
) -> int:
    snapshot = hub.live.current()
    try:
        connector = snapshot.connector(connection)
        spec = snapshot.offers(connection).get(object)
        if not isinstance(connector, Sink) or spec is None:
            raise ConfigError(f"Nothing can be written to {object} of '{connection}'.")
    except ConnectorError as error:
        _hold_back(hub, claim, connection, rows, error, on_trial=on_trial)
        return 0
    plans = _plan(hub, snapshot, rows)
    reach("deliver.claimed")
    done = 0
    size = max(CHUNK, spec.batch)
    for start in range(0, len(plans), size):
        some = plans[start : start + size]
        if start and not _still_ours(hub, claim, connection, plans[start:]):
            break
        done += _deliver_some(
            hub, claim, snapshot, connector, connection, object, spec, some, on_trial=on_trial
        )
    return done


def _still_ours(hub: Hub, claim: queue.Claim, connection: str, plans: Sequence[Plan]) -> bool:
    """Keep the lease of what is still to be sent while a slow tool takes its time; give it back
    where the tool has stopped answering.
    """
    positions = [plan.row["position"] for plan in plans]
    with hub.database.write() as tx:
        if connection in circuits.shut(tx):
            queue.release(tx, claim, positions)
            return False
        return queue.renew(tx, claim, positions)


def _deliver_some(
    hub: Hub,
    claim: queue.Claim,
    snapshot: Snapshot,
    connector: Sink,
    connection: str,
    object: str,
    spec: ObjectSpec,
    plans: Sequence[Plan],
    *,
    on_trial: bool,
) -> int:
    """Send a few pushes and store what became of them, before the next few."""
    ready = [plan for plan in plans if plan.change is not None]
    results: dict[int, Result] = {}
    settled: dict[int, Result] = {}
    try:
        settled = _look_up(connector, object, spec, ready)
        settled |= read_back(snapshot, connector, connection, object, spec, ready)
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
            push_again(connector, snapshot.mapping(connection, object), some, results, size)
    except (queue.LostLease, OperationalError) as error:
        log.warning("pushes were taken over", error=str(error))
        return 0
    except ConnectorError as error:
        unsent = [plan for plan in ready if plan.row["position"] not in results]
        for plan in unsent:
            results[plan.row["position"]] = _as_result(error)
            plan.unsent = True
        _note(hub, connection, error, on_trial=on_trial)
    except Exception as error:
        # a connector's bug: the effect may have happened, so these are unknown, not failed
        log.exception("connector failed", connection=connection)
        for plan in ready:
            results.setdefault(
                plan.row["position"],
                Result(Outcome.UNKNOWN, message=f"{type(error).__name__}: {error}"),
            )
    mapping = snapshot.mapping(connection, object)
    results = {
        position: replace(result, record=identified(mapping, result.record))
        if result.record
        else result
        for position, result in results.items()
    }
    for plan in plans:
        plan.looked_up = plan.row["position"] in settled
    if ready:
        reach("deliver.pushed")
    done = record_all(hub, claim, spec, plans, results, on_trial)
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
        return Result(
            Outcome.REJECTED, message=str(error), field_errors=error.field_errors, code=error.code
        )
    if isinstance(error, NotFoundError):
        return Result(Outcome.MISSING, message=str(error))
    return Result(Outcome.RETRY, message=str(error), retry_after=retry_after, code=error.code)


def _note(hub: Hub, connection: str, error: ConnectorError, *, on_trial: bool) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error, on_trial=on_trial)


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Iterable[RowMapping],
    error: ConnectorError,
    *,
    on_trial: bool,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error, on_trial=on_trial)
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
