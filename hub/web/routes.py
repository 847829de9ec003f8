"""All pages of the hub as one router, and the static files they need."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.hub import Hub
from hub.web.cases import add_cases
from hub.web.connection import add_connection
from hub.web.figures import add_figures
from hub.web.lists import add_lists
from hub.web.participant import add_participant
from hub.web.processes import add_processes
from hub.web.sign_in import add_sign_in
from hub.web.site import STATIC, VERSION, Site, Stop
from hub.web.steering import add_steering
from hub.web.traffic import add_traffic


def create_web(hub: Hub) -> APIRouter:
    """The router of all pages: dashboard (signed in by link) and participants' pages (no
    account).
    """
    site = Site(hub)
    router = APIRouter(route_class=site.route(), include_in_schema=False)
    add_sign_in(router, site)
    add_cases(router, site)
    add_steering(router, site)
    add_processes(router, site)
    add_lists(router, site)
    add_connection(router, site)
    add_traffic(router, site)
    add_figures(router, site)
    add_participant(router, site)

    @router.get("/static/{name}")
    def static(request: Request, name: str, v: str = "") -> Response:
        """A style sheet, script or icon; its address changes with its content."""
        if name not in STATIC:
            raise Stop(404, "There is no such file", "The dashboard has no file of this name.")
        body, kind = STATIC[name]
        lasting = "public, max-age=31536000, immutable" if v == VERSION else "no-cache"
        return Response(body, media_type=kind, headers={"Cache-Control": lasting})

    return router
