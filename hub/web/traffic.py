"""Pages of deliveries: what came in, what one of them holds and became, and what was refused. For
operators, as bodies hold what a vendor's account holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub.flow.judged_again import checks, fate
from hub.identity import Caller
from hub.layout import laid_out
from hub.process.replays import replay_one
from hub.refusals import remedy
from hub.store import delivered, inbox, notices
from hub.store.delivered import Narrow
from hub.web.site import Site, Stop, Typed, When, typed
from mappings.states import DeliveryStatus

_SHOWN = 100
_REFUSALS = 20
_LONGEST = 200_000
"""Characters of a body on a page; the rest is for `hub deliveries show --raw`."""


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery in the list."""

    id: str
    connection: str
    received: When
    status: str
    verdict: str
    size: str
    records: int
    error: str
    event: str


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """One refused request."""

    connection: str
    at: When
    part: str
    reason: str
    remedy: str
    remote: str


def add_traffic(router: APIRouter, site: Site) -> None:
    """Routes of deliveries."""
    hub = site.hub

    @router.get("/deliveries")
    def list_deliveries(
        request: Request,
        connection: str = "",
        status: str = "",
        verdict: str = "",
        q: str = "",
        before: str = "",
    ) -> Response:
        caller = _operator(site.caller(request))
        text = q.strip().replace("\x00", "")[:200]
        narrow = Narrow(
            connection=connection or None,
            status=status or None,
            verdict=verdict or None,
            text=text or None,
        )
        with hub.database.read() as tx:
            last = inbox.delivery(tx, before) if before else None
            rows = delivered.search(
                tx, narrow, before=last["position"] if last else None, limit=_SHOWN + 1
            )
            known = sorted(_connections(site) | {row["connection"] for row in rows})
            refused = _refusals(site, tx, [connection] if connection else known)
            unknown = sum(one.count for one in notices.counts(tx, ""))
        lines = [_line(site, dict(row)) for row in rows[:_SHOWN]]
        return site.page(
            "deliveries.html", caller, nav="deliveries", deliveries=lines, refusals=refused,
            unknown=unknown, known=known, statuses=list(DeliveryStatus),
            verdicts=("genuine", "unsigned", "altered"),
            query={"connection": connection, "status": status, "verdict": verdict, "q": q},
            older=lines[-1].id if len(rows) > _SHOWN else "",
        )  # fmt: skip

    @router.get("/deliveries/{id}")
    def show_delivery(request: Request, id: str, done: str = "") -> Response:
        caller = _operator(site.caller(request))
        snapshot = site.snapshot()
        with hub.database.read() as tx:
            row = inbox.delivery(tx, id)
            if row is None:
                raise Stop(404, "There is no such delivery", f"Nothing is called {id}.")
            became = fate(tx, snapshot, row)
            replays = delivered.copies(tx, [id]).get(id, [])
        body = laid_out(bytes(row["body"]))
        return site.page(
            "delivery.html", caller, nav="deliveries", line=_line(site, dict(row)), row=row,
            checks=checks(snapshot, row) if snapshot else [], became=became, replays=replays,
            body=body[:_LONGEST], cut=len(body) > _LONGEST,
            note="It is being processed again; this is the copy." if done else "",
        )  # fmt: skip

    @router.post("/deliveries/{id}/replay")
    def replay_delivery(
        request: Request, id: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller = _operator(site.acting(request, sent))
        with hub.unit() as unit:
            copy = replay_one(unit, id, caller.actor())
            if copy is None:
                raise Stop(404, "There is no such delivery", f"Nothing is called {id}.")
        hub.soon("intake")
        return RedirectResponse(f"/deliveries/{copy}?done=replay", 303)


def _operator(caller: Caller) -> Caller:
    if not caller.may("operator"):
        raise Stop(403, "This is for operators", "Ask somebody who runs the hub.")
    return caller


def _connections(site: Site) -> set[str]:
    snapshot = site.snapshot()
    return set(snapshot.workspace.connections) if snapshot else set()


def _line(site: Site, row: Mapping[str, Any]) -> DeliveryLine:
    events = (value for name, value in row["headers"].items() if name.endswith("-event"))
    return DeliveryLine(
        id=row["id"],
        connection=row["connection"],
        received=site.past(row["received_at"]),
        status=row["status"],
        verdict=row["verdict"],
        size=f"{row['size']:,}",
        records=row["records"],
        error=row["error"] or "",
        event=next(events, ""),
    )


def _refusals(site: Site, tx: Any, names: Sequence[str]) -> list[RefusalLine]:
    """The newest of these connections together."""
    rows = [row for name in names for row in notices.of(tx, name, outcome="refused")]
    rows.sort(key=lambda row: row["position"], reverse=True)
    return [
        RefusalLine(
            connection=row["connection"],
            at=site.past(row["at"]),
            part=row["part"],
            reason=row["reason"] or row["code"].replace("_", " "),
            remedy=remedy(row["connection"], row),
            remote=row["remote"] or "",
        )
        for row in rows[:_REFUSALS]
    ]
