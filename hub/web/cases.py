"""Pages of the overview and of one case, and what people do there: decide, accept, decline."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub.identity import Caller
from hub.process import answers, delegation, handoffs
from hub.process.answers import Refused
from hub.store import overview, work
from hub.store.overview import CaseFilter
from hub.web import board
from hub.web.case_view import case_view
from hub.web.processes import case_picture
from hub.web.site import Site, Stop, Typed, first, typed

PER_PAGE = 50
STATUSES = ("active", "suspended", "completed", "terminated", "all")
HEALTHS = ("on_track", "at_risk", "overdue", "blocked")
NOTES = {
    "decided": "Your decision is taken. Thank you.",
    "voiced": "Your voice is taken. Others have still to agree.",
    "delegate": "Somebody else is asked now; you may still answer first.",
    "revoke": "It is back with whoever had it before.",
    "take-back": "What you said is taken back.",
    "accepted": "It is yours now. Thank you.",
    "declined": "You declined; whoever answers for it has it back.",
    "suspend": "The case rests. Nobody is chased until it goes on.",
    "resume": "The case goes on.",
    "terminate": "The case is ended.",
    "complete": "The step is completed.",
    "skip": "The case goes on without that step.",
}
NO_CASE = partial(Stop, 404, "There is no such case", "It may have a typo in its address.")


def add_cases(router: APIRouter, site: Site) -> None:
    """Routes of the overview and of cases."""
    hub = site.hub

    @router.get("/")
    def overview_page(
        request: Request,
        status: str = "",
        health: str = "",
        process: str = "",
        waiting: str = "",
        q: str = "",
        page: str = "1",
    ) -> Response:
        caller = site.caller(request)
        narrow = CaseFilter(
            status=status if status in STATUSES else None,
            health=health if health in HEALTHS else None,
            process=process or None,
            waiting_on=waiting if waiting in ("internal", "external", "system") else None,
            q=q.strip().replace("\x00", "")[:200] or None,
        )
        number = int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1
        with hub.database.read() as tx:
            rows = overview.list_cases(
                tx, narrow, limit=PER_PAGE + 1, offset=(max(number, 1) - 1) * PER_PAGE
            )
            values: dict[str, Any] = {
                "lines": board.lines(site, tx, rows[:PER_PAGE]),
                "more": len(rows) > PER_PAGE,
                "counts": overview.counts(tx),
                "asks": board.asks(site, tx, caller),
                "any": overview.any_case(tx),
                "processes": [
                    (key, board.process_title(site.snapshot(), key))
                    for key in overview.processes(tx)
                ],
            }
        return site.page(
            "cases.html",
            caller,
            nav="cases",
            narrow=narrow,
            narrowed=narrow != CaseFilter(),
            number=max(number, 1),
            query={"status": status, "health": health, "process": process, "waiting": waiting,
                   "q": q},
            statuses=STATUSES,
            healths=HEALTHS,
            applied=site.snapshot() is not None,
            **values,
        )  # fmt: skip

    def show(
        caller: Caller,
        id: str,
        *,
        status: int = 200,
        note: str = "",
        problem: str = "",
        everything: bool = False,
        kept: str = "",
    ) -> Response:
        with hub.database.read() as tx:
            view = case_view(site, tx, id, caller, everything=everything)
            drawn = case_picture(site, tx, id)
        if view is None:
            raise NO_CASE()
        return site.page(
            "case.html", caller, status=status, nav="cases", case=view, note=note,
            problem=problem, kept=kept, drawn=drawn,
        )  # fmt: skip

    @router.get("/cases/{id}")
    def case_page(request: Request, id: str, done: str = "", all: str = "") -> Response:
        caller = site.caller(request)
        return show(caller, id, note=NOTES.get(done, ""), everything=bool(all))

    @router.post("/cases/{id}/decisions/{decision}")
    def decide(
        request: Request, id: str, decision: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller = site.acting(request, sent)
        outcome, comment = first(sent, "outcome"), first(sent, "comment")
        if not outcome:
            problem = "Choose one of the options first; nothing was decided."
            return show(caller, id, status=422, problem=problem, kept=comment)
        try:
            with hub.unit() as unit:
                made = answers.decide(
                    unit,
                    decision,
                    outcome,
                    caller.party,
                    evidence_hash=first(sent, "evidence_hash"),
                    comment=comment or None,
                    channel="web",
                )
        except Refused as refused:
            return show(caller, id, status=refused.status, problem=str(refused), kept=comment)
        except LookupError as error:
            raise Stop(404, "There is no such decision", str(error)) from error
        done = "decided" if made["outcome"] == outcome else "voiced"
        return RedirectResponse(f"/cases/{id}?done={done}", 303)

    @router.post("/cases/{id}/decisions/{decision}/{what}")
    def hand_on(
        request: Request,
        id: str,
        decision: str,
        what: Literal["delegate", "revoke", "take-back"],
        sent: Annotated[Typed, Depends(typed)],
    ) -> Response:
        caller = site.acting(request, sent)
        try:
            with hub.unit() as unit:
                if what == "delegate":
                    to = work.find_party(unit.tx, first(sent, "to"))
                    note = first(sent, "note") or None
                    delegation.delegate(unit, decision, caller.party, to, note=note)
                elif what == "revoke":
                    delegation.revoke(unit, decision, caller.party)
                else:
                    answers.take_back(unit, decision, caller.party)
        except Refused as refused:
            return show(caller, id, status=refused.status, problem=str(refused))
        except LookupError as error:
            raise Stop(404, "There is no such decision", str(error)) from error
        return RedirectResponse(f"/cases/{id}?done={what}", 303)

    @router.post("/cases/{id}/handoffs/{handoff}")
    def answer(
        request: Request, id: str, handoff: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller = site.acting(request, sent)
        status = {"accept": "accepted", "decline": "declined"}.get(first(sent, "answer"))
        if status is None:
            return show(caller, id, status=422, problem="Choose to accept or to decline.")
        try:
            with hub.unit() as unit:
                handoffs.answer(
                    unit,
                    handoff,
                    status,
                    caller.party,
                    note=first(sent, "note") or None,
                    admin=caller.may("admin"),
                )
        except Refused as refused:
            return show(caller, id, status=refused.status, problem=str(refused))
        except LookupError as error:
            raise Stop(404, "There is no such handoff", str(error)) from error
        return RedirectResponse(f"/cases/{id}?done={status}", 303)
