"""Signing in with a link that works once, and signing out."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub import identity
from hub.store import access
from hub.web.site import COOKIE, Site, Stop, Typed, session_lifetime, typed

SPENT = partial(
    Stop,
    410,
    "This link no longer works",
    "A sign-in link works once, within half an hour. This one was used, is too old, or is not"
    " complete. Nothing is lost: ask for a new one, or make one where the hub runs.",
    "hub sign-in",
)


def add_sign_in(router: APIRouter, site: Site) -> None:
    """Routes for signing in and out."""
    hub = site.hub

    @router.api_route("/sign-in/{secret}", methods=["GET", "HEAD"])
    def offer(secret: str) -> Response:
        """Shows a button: a link preview or a mail scanner must not use the link up."""
        with hub.database.read() as tx:
            row = access.token(tx, secret, "signin", site.now)
        if row is None or row["used_at"] is not None:
            raise SPENT()
        return site.plain("sign_in.html", name=row["name"])

    @router.post("/sign-in/{secret}")
    def enter(request: Request, secret: str) -> Response:
        site.refuse_foreign(request)
        session = identity.sign_in(hub, secret)
        if session is None:
            raise SPENT()
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE,
            session,
            max_age=session_lifetime(),
            httponly=True,
            samesite="lax",
            secure=_https(request),
        )
        return response

    @router.post("/sign-out")
    def leave(request: Request, sent: Annotated[Typed, Depends(typed)]) -> Response:
        caller = site.acting(request, sent)
        with hub.database.write() as tx:
            access.revoke(tx, caller.token)
        response = site.plain("signed_out.html")
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=_https(request))
        return response

    def _https(request: Request) -> bool:
        public = hub.settings.public_url or ""
        return request.url.scheme == "https" or public.startswith("https:")
