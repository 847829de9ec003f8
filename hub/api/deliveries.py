"""What came in and what went out: stored deliveries and their replay, pushes and their retry."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub import present
from hub.api.auth import HubDep, Operator
from hub.api.errors import not_found
from hub.api.paging import Cursor, Limit, Page, at_position, cut
from hub.api.repeating import Repeatable
from hub.process import exceptions as ending
from hub.store import inbox, outbox
from mappings.canonical import Moment
from mappings.states import DeliveryStatus, PushStatus

router = APIRouter(route_class=Repeatable)


class DeliverySummary(BaseModel):
    """A stored webhook request without its body."""

    id: str
    connection: str
    delivery_id: str | None
    received_at: Moment
    status: DeliveryStatus
    verdict: str
    headers: dict[str, str]
    size: int
    attempts: int
    records: int
    error: str | None
    replay_of: str | None


class Delivery(DeliverySummary):
    """A stored webhook request as it arrived."""

    body: str = Field(description="As text; bytes that are not UTF-8 are replaced.")


class Replayed(BaseModel):
    """The copy that is being processed."""

    id: str
    replay_of: str
    status: str = "accepted"


class Push(BaseModel):
    """An intended write to a tool, with its attempts and its outcome."""

    id: str
    connection: str
    object: str
    op: str
    external_id: str | None
    entity: str | None
    fields: Any = Field(description="Names of the fields to bring over, or a message's envelope.")
    status: PushStatus
    attempts: int
    next_attempt_at: Moment
    key: str = Field(description="Idempotency key, the same for every attempt.")
    result: Any = None
    created_at: Moment
    sent_at: Moment | None
    error: str | None


@router.get("/deliveries", tags=["deliveries"])
def list_deliveries(
    hub: HubDep,
    caller: Operator,
    connection: str | None = None,
    status: DeliveryStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliverySummary]:
    """Deliveries, newest first, without their bodies."""
    before = at_position("deliveries", cursor)
    with hub.database.read() as tx:
        rows = inbox.list_deliveries(
            tx, connection=connection, status=status, before=before, limit=limit + 1
        )
    shown, following = cut(rows, limit, "deliveries", lambda row: (row["position"],))
    return Page(
        items=[DeliverySummary(**present.delivery(dict(row))) for row in shown], next=following
    )


@router.get("/deliveries/{id}", tags=["deliveries"])
def get_delivery(hub: HubDep, caller: Operator, id: str) -> Delivery:
    """One delivery with its headers and body."""
    with hub.database.read() as tx:
        row = inbox.delivery(tx, id)
    if row is None:
        raise not_found("delivery", id)
    return Delivery(**present.delivery(dict(row), body=True))


@router.post("/deliveries/{id}/replay", status_code=202, tags=["deliveries"])
def replay_delivery(hub: HubDep, caller: Operator, id: str) -> Replayed:
    """Process a stored delivery once more. The original stays as it is."""
    with hub.unit() as unit:
        copy = ending.replay_delivery(unit, id, caller.actor())
        if copy is None:
            raise not_found("delivery", id)
        row = inbox.delivery(unit.tx, copy)
    hub.soon("intake")
    return Replayed(id=copy, replay_of=row["replay_of"] if row else id)


@router.get("/pushes", tags=["pushes"])
def list_pushes(
    hub: HubDep,
    caller: Operator,
    connection: str | None = None,
    status: PushStatus | None = None,
    entity: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Push]:
    """Pushes, newest first."""
    before = at_position("pushes", cursor)
    with hub.database.read() as tx:
        rows = outbox.list_pushes(
            tx,
            connection=connection,
            status=status,
            entity=entity,
            before=before,
            limit=limit + 1,
        )
    shown, following = cut(rows, limit, "pushes", lambda row: (row["position"],))
    return Page(items=[Push(**present.push(dict(row))) for row in shown], next=following)


@router.get("/pushes/{id}", tags=["pushes"])
def get_push(hub: HubDep, caller: Operator, id: str) -> Push:
    """One push."""
    with hub.database.read() as tx:
        row = outbox.push(tx, id)
    if row is None:
        raise not_found("push", id)
    return Push(**present.push(dict(row)))


@router.post("/pushes/{id}/retry", status_code=202, tags=["pushes"])
def retry_push(hub: HubDep, caller: Operator, id: str) -> Push:
    """Send a failed or unknown push again, with its old key; what was open about it is closed."""
    with hub.unit() as unit:
        if outbox.push(unit.tx, id) is None:
            raise not_found("push", id)
        ending.retry_push(unit, id, caller.actor())
    hub.soon("deliver")
    return get_push(hub, caller, id)
