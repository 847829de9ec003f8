"""What people do with a case as a whole on its page: let it rest and go on, end it, move a step by
hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub.identity import Caller
from hub.process import by_hand
from hub.process.answers import Refused
from hub.unit import Unit
from hub.web.site import Site, Stop, Typed, first, typed

_CASE = {
    "suspend": by_hand.suspend,
    "resume": by_hand.resume,
    "terminate": by_hand.terminate,
}


def add_steering(router: APIRouter, site: Site) -> None:
    """Routes by which people steer a case."""

    @router.post("/cases/{id}/steer")
    def steer(request: Request, id: str, sent: Annotated[Typed, Depends(typed)]) -> Response:
        caller, what = _who(site, request, sent), first(sent, "do")
        move = _CASE.get(what)
        if move is None:
            raise Stop(422, "Choose what to do", "Nothing was changed.")
        return _done(
            site, id, what, lambda unit: move(unit, id, caller.actor(), first(sent, "comment"))
        )

    @router.post("/cases/{id}/steps/{step}")
    def move_step(
        request: Request, id: str, step: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller, what = _who(site, request, sent), first(sent, "do")
        if what not in ("complete", "skip"):
            raise Stop(422, "Choose what to do", "Nothing was changed.")
        why, skip = first(sent, "comment"), what == "skip"
        return _done(
            site,
            id,
            what,
            lambda unit: by_hand.complete(unit, id, step, caller.actor(), why, skip=skip),
        )


def _who(site: Site, request: Request, sent: Typed) -> Caller:
    caller = site.acting(request, sent)
    if caller.role == "assistant" or not (caller.party or caller.may("operator")):
        raise Stop(403, "Only a person can do this", "Sign in as a person, or as an operator.")
    return caller


def _done(site: Site, id: str, what: str, move: Callable[[Unit], None]) -> Response:
    try:
        with site.hub.unit() as unit:
            move(unit)
    except Refused as refused:
        raise Stop(refused.status, "That cannot be done", str(refused)) from refused
    except LookupError as error:
        raise Stop(404, "There is no such case", str(error)) from error
    return RedirectResponse(f"/cases/{id}?done={what}", 303)
