"""The page of figures: how processes fare, and with whom work lies."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.process.figures import measure
from hub.process.forecast import length
from hub.store import overview
from hub.web import board
from hub.web.site import Site


def _time(seconds: float | None) -> str:
    return "" if seconds is None else length(seconds, "elapsed")


def add_figures(router: APIRouter, site: Site) -> None:
    """The route of the figures."""

    @router.get("/figures")
    def figures_page(request: Request, process: str = "") -> Response:
        caller = site.caller(request)
        with site.hub.database.read() as tx:
            known = overview.processes(tx)
            chosen = process if process in known else None
            found = measure(tx, chosen, site.now)
        return site.page(
            "figures.html",
            caller,
            nav="figures",
            found=found,
            process=chosen or "",
            processes=[(key, board.process_title(site.snapshot(), key)) for key in known],
            time=_time,
        )
