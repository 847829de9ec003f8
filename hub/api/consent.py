"""Agreeing to a connection where the hub itself is what the vendor sends the browser back to."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from connectors.sdk import ConnectorError
from hub.api.auth import HubDep, Operator
from hub.api.errors import Problem
from hub.flow import consent as flow
from hub.store import access, vault
from mappings.canonical import Moment

router = APIRouter(prefix="/connections", tags=["connections"])
callback = APIRouter()

PATH = "/oauth/callback"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}


class Agreement(BaseModel):
    """Where a person agrees, once, until it expires. `redirect_uri` is what the vendor must know
    the hub by.
    """

    connection: str
    url: str
    redirect_uri: str
    expires_at: Moment


@router.get("/{name}/authorize")
def authorize(hub: HubDep, caller: Operator, name: str, request: Request) -> Agreement:
    """The address at which a person agrees that this connection may act for them."""
    if name not in hub.live.current().workspace.connections:
        raise Problem(404, "connection_unknown", f"There is no connection '{name}'.")
    base = hub.settings.public_url or str(request.base_url).rstrip("/")
    try:
        begun = flow.begin(hub, name, f"{base}{PATH}")
    except ConnectorError as error:
        raise Problem(409, "not_authorizable", str(error)) from None
    with hub.database.write() as tx:
        until = vault.keep_consent(tx, hub.settings.secret_key, name, begun, hub.clock())
    return Agreement(
        connection=name, url=begun.url, redirect_uri=begun.redirect_uri, expires_at=until
    )


@callback.get(PATH, include_in_schema=False)
def come_back(hub: HubDep, request: Request) -> HTMLResponse:
    """The vendor sends the browser here with a code; whoever brings it holds an unused state."""
    answer = dict(request.query_params)
    try:
        with hub.database.write() as tx:
            found = vault.take_consent(
                tx, hub.settings.secret_key, answer.get("state", ""), hub.clock()
            )
    except access.WrongKey as error:
        return _page(500, "Not connected", str(error))
    if found is None:
        return _page(
            400, "Not connected", "This sign-in is unknown, was used or is too old. Begin again."
        )
    name, consent = found
    try:
        flow.finish(hub, name, consent, answer)
    except ConnectorError as error:
        return _page(400, f"{name} is not connected", str(error))
    return _page(200, f"{name} is connected", "You can close this page.")


def _page(status: int, title: str, text: str) -> HTMLResponse:
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>{escape(title)}</title>"
        "<body style='font:1rem/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem'>"
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>",
        status,
        _HEADERS,
    )
