"""What came in and what went out: stored deliveries and their replay, pushes and their retry."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hub import present
from hub.api.auth import HubDep, Operator
from hub.api.errors import invalid, not_found
from hub.api.paging import Cursor, Limit, Page, at_position, at_positions, cut, write_cursor
from hub.api.repeating import Repeatable
from hub.flow.judged_again import fate
from hub.process import exceptions as ending
from hub.process.replays import Run, replay, replay_one
from hub.store import delivered, inbox, outbox
from hub.store.delivered import Narrow
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


class Became(BaseModel):
    """A record that a delivery spoke of, and the entity it is linked to."""

    object: str
    external_id: str
    kind: str = Field(description="`state`, `fetch` (to be read), `pull` or `answer`.")
    status: str = Field(description="`pending`, `done` or `quarantined`.")
    entity: str | None
    error: str | None


class About(BaseModel):
    """An exception about a delivery or what it became."""

    id: str
    type: str
    severity: str
    status: str
    title: str
    detail: str | None


class ShownDelivery(Delivery):
    """A stored webhook request, and what became of it."""

    became: list[Became]
    exceptions: list[About]
    replays: list[str] = Field(description="Its copies, oldest first.")


Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class DeliveryFilter(BaseModel):
    """Which deliveries; what is left out is any. At least one of them is given."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Text], Field(min_length=1, max_length=500)] | None = None
    connection: Text | None = None
    status: DeliveryStatus | None = None
    verdict: Literal["genuine", "unsigned", "altered"] | None = None
    since: AwareDatetime | None = Field(None, description="Received at this moment or later.")
    until: AwareDatetime | None = Field(None, description="Received before this moment.")
    text: Text | None = Field(None, description="Stands in the id, the vendor's id or the address.")

    def narrow(self) -> Narrow:
        return Narrow(**self.model_dump())


class ReplayRequest(BaseModel):
    """What to replay: what `filter` finds, from where `cursor` says."""

    model_config = ConfigDict(extra="forbid")

    filter: DeliveryFilter
    dry_run: bool = Field(False, description="Only count.")
    limit: int = Field(200, ge=1, le=500, description="How many in this call at most.")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the call before.")


class Replays(BaseModel):
    """A batch that is queued."""

    matched: int = Field(description="How many there were, those of this batch among them.")
    replayed: list[Replayed]
    next: str | None = Field(description="Send as `cursor`, with the same filter, to go on.")


When = Annotated[AwareDatetime | None, Query(description="RFC 3339 with a zone.")]


@router.get("/deliveries", tags=["deliveries"])
def list_deliveries(
    hub: HubDep,
    caller: Operator,
    connection: str | None = None,
    status: DeliveryStatus | None = None,
    verdict: Literal["genuine", "unsigned", "altered"] | None = None,
    since: When = None,
    until: When = None,
    text: Annotated[
        str | None,
        Query(description="Stands in the id, the vendor's id or the address.", max_length=300),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliverySummary]:
    """Deliveries, newest first, without their bodies."""
    before = at_position("deliveries", cursor)
    narrow = Narrow(connection, status, verdict, since, until, text)
    with hub.database.read() as tx:
        rows = delivered.search(tx, narrow, before=before, limit=limit + 1)
    shown, following = cut(rows, limit, "deliveries", lambda row: (row["position"],))
    return Page(
        items=[DeliverySummary(**present.delivery(dict(row))) for row in shown], next=following
    )


@router.get("/deliveries/{id}", tags=["deliveries"])
def get_delivery(hub: HubDep, caller: Operator, id: str) -> ShownDelivery:
    """One delivery with its headers and body, and what it became."""
    snapshot = hub.live.current()
    with hub.database.read() as tx:
        row = inbox.delivery(tx, id)
        if row is None:
            raise not_found("delivery", id)
        became = fate(tx, snapshot, row)
        copies = delivered.copies(tx, [id]).get(id, [])
    return ShownDelivery(
        **present.delivery(dict(row), body=True),
        became=[Became(**one) for one in became.records],
        exceptions=[About(**one) for one in became.exceptions],
        replays=copies,
    )


@router.post("/deliveries/replay", status_code=202, tags=["deliveries"])
def replay_deliveries(hub: HubDep, caller: Operator, body: ReplayRequest) -> Replays:
    """Process what a filter finds once more, a batch at a call, oldest first; the originals stay.

    Of an original and its copies only the newest counts, so what was replayed already is left out.
    What comes while a replay goes on is not taken by it.
    """
    if not body.filter.model_dump(exclude_none=True):
        raise invalid({"filter": "Give at least one of its keys."})
    narrow = body.filter.narrow()
    with hub.database.read() as tx:
        place = at_positions("replay", body.cursor)
        after, upto = place or (0, delivered.newest(tx))
        matched = delivered.pick(tx, narrow, after=after, upto=upto).count
    if body.dry_run:
        return Replays(matched=matched, replayed=[], next=None)
    with hub.unit() as unit:
        done = replay(unit, Run(narrow, after, upto), caller.actor(), limit=body.limit)
    hub.soon("intake")
    on = done.run
    return Replays(
        matched=matched,
        replayed=[Replayed(id=copy, replay_of=old) for old, copy in done.copies],
        next=write_cursor("replay", on.after, on.upto) if on else None,
    )


@router.post("/deliveries/{id}/replay", status_code=202, tags=["deliveries"])
def replay_delivery(hub: HubDep, caller: Operator, id: str) -> Replayed:
    """Process a stored delivery once more. The original stays as it is."""
    with hub.unit() as unit:
        copy = replay_one(unit, id, caller.actor())
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
