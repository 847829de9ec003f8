"""Who is calling and what they may do: a Bearer token, or the dashboard's session cookie with proof
that the request comes from our own pages.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from hub import identity
from hub.api.errors import Problem
from hub.hub import Hub
from hub.identity import Caller, Role

COOKIE = "hub_session"
_SAFE = ("GET", "HEAD", "OPTIONS")

bearer = HTTPBearer(auto_error=False, description="An API token; make one with: hub token create")
session = APIKeyCookie(name=COOKIE, auto_error=False, description="The dashboard's session.")


def hub_of(request: Request) -> Hub:
    """The hub that this app serves."""
    hub: Hub = request.app.state.hub
    return hub


HubDep = Annotated[Hub, Depends(hub_of)]


def caller_of(
    request: Request,
    hub: HubDep,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    _session: Annotated[str | None, Security(session)],
) -> Caller:
    """Whoever makes this request. Raises Problem: 401, or 403 for a foreign page's cookie.

    The two schemes stand here for the OpenAPI document; what they read is read more strictly below.
    """
    given = request.headers.get("authorization")
    if given is not None:
        kind, _, secret = given.partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise _unauthorized("Send: Authorization: Bearer <token>.")
        caller = identity.by_token(hub, secret.strip())
        if caller is None:
            raise _unauthorized("This token is unknown, revoked or expired.")
        return caller
    cookie = request.cookies.get(COOKIE)
    caller = identity.by_session(hub, cookie) if cookie else None
    if caller is None:
        raise _unauthorized(
            "Send an API token: Authorization: Bearer <token>. Make one with: hub token create"
        )
    if request.method not in _SAFE and not same_origin(request, hub.settings.public_url):
        raise Problem(
            403, "forbidden", "A session may change things from the hub's own pages only."
        )
    return caller


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="hub"'})


def same_origin(request: Request, public_url: str | None) -> bool:
    """Whether a browser says that this request comes from a page of ours."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    ours = {f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if public_url:
        parts = urlsplit(public_url)
        ours.add(f"{parts.scheme}://{parts.netloc}")
    return origin.lower() in {one.lower() for one in ours}


CallerDep = Annotated[Caller, Depends(caller_of)]


class Needs:
    """A dependency: a caller with at least this role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, caller: CallerDep) -> Caller:
        if not caller.may(self.role):
            raise Problem(
                403,
                "forbidden",
                f"This needs the role '{self.role}'; your token has '{caller.role}'.",
            )
        return caller


def in_person(caller: CallerDep) -> Caller:
    """A caller who is a person, whatever the role; an assistant is none. Raises 403
    `human_required`.
    """
    if caller.role == "assistant" or caller.party is None or caller.party["kind"] != "person":
        raise Problem(
            403,
            "human_required",
            "Only a person can do this. Use a token that is bound to a person"
            " (hub token create --person P) and is no assistant's.",
        )
    return caller


def person_or_operator(caller: CallerDep) -> Caller:
    """Somebody who may settle an exception: a person, or an operator's token."""
    if caller.role == "assistant":
        return in_person(caller)
    if not caller.may("operator") and caller.party is None:
        raise Problem(
            403,
            "forbidden",
            "This needs a token that is bound to a person, or the role 'operator'.",
        )
    return caller


Anyone = Annotated[Caller, Depends(Needs("assistant"))]
Member = Annotated[Caller, Depends(Needs("member"))]
Operator = Annotated[Caller, Depends(Needs("operator"))]
InPerson = Annotated[Caller, Depends(in_person)]
PersonOrOperator = Annotated[Caller, Depends(person_or_operator)]
