"""Jira's webhooks: two ways of proving themselves, one way of reading them.

Every delivery is a hint and the record is read anew: bodies are in the format of REST v2, arrive in
no order, and up to 15 minutes late.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt

from connectors.jira.config import JiraConfig
from connectors.jira.records import gone, part
from connectors.sdk import Delivery, Fetch, Parsed, PayloadError, SignatureError
from connectors.sdk.http import decode_json
from connectors.sdk.signatures import TOLERANCE, check_hmac

ISSUE_EVENTS = ("jira:issue_created", "jira:issue_updated", "jira:issue_deleted")
COMMENT_EVENTS = ("comment_created", "comment_updated", "comment_deleted")
DYNAMIC = (*ISSUE_EVENTS, *COMMENT_EVENTS)
"""What a dynamic webhook is registered for."""


def verify(delivery: Delivery, settings: JiraConfig) -> str | None:
    """The id that all attempts of one delivery share. Raises SignatureError.

    A webhook that an administrator made is signed with its secret (the body, HMAC); one that an
    OAuth app registered carries a token signed with the client secret, which says nothing of the
    body. Where both are there the first must hold.
    """
    signature = delivery.headers.get("x-hub-signature")
    if signature is not None:
        method, _, digest = signature.partition("=")
        candidates = [digest] if method.strip().lower() == "sha256" and digest else []
        check_hmac(delivery.body, settings.webhook.secret, candidates)
    elif settings.auth.client_secret is not None:
        _check_token(delivery, settings)
    else:
        raise SignatureError("The header X-Hub-Signature is missing: give the webhook a secret.")
    return delivery.headers.get("x-atlassian-webhook-identifier") or None


def _check_token(delivery: Delivery, settings: JiraConfig) -> None:
    scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "jwt") or not token:
        raise SignatureError("Neither X-Hub-Signature nor a bearer token came along.")
    secret = settings.auth.client_secret
    key = secret.get_secret_value() if secret else ""
    if not key:
        raise SignatureError("No client secret is configured for this connection.")
    try:
        # the times are judged below, by when the delivery came, not by when we look at it
        options: Any = {
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": False,
        }
        claims = jwt.decode(token.strip(), key.encode(), algorithms=["HS256"], options=options)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise SignatureError("The token is not signed with our client secret.") from None
    now = delivery.received_at.timestamp()
    try:
        expires = float(claims["exp"]) if "exp" in claims else None
        issued = float(claims["iat"]) if "iat" in claims else None
    except (TypeError, ValueError):
        raise SignatureError("The token's times are not times.") from None
    if expires is None and issued is None:
        raise SignatureError("The token has no time.", code="timestamp_out_of_window")
    late = expires is not None and now > expires + TOLERANCE
    old = expires is None and issued is not None and now > issued + TOLERANCE
    early = issued is not None and issued > now + TOLERANCE
    if late or old or early:
        raise SignatureError("The token is too old.", code="timestamp_out_of_window")


def parse(delivery: Delivery) -> Sequence[Parsed]:
    """The issue or comment to read; a deletion itself where the signature covers what says so."""
    body = decode_json(delivery.body, "a Jira webhook")
    if not isinstance(body, dict):
        raise PayloadError("A Jira webhook that is no object.", "webhook")
    event = body.get("webhookEvent")
    if not isinstance(event, str):
        raise PayloadError("A Jira webhook without webhookEvent.", "webhookEvent")
    signed = "x-hub-signature" in delivery.headers
    if event in COMMENT_EVENTS:
        return _comment(body, deleted=event == "comment_deleted" and signed)
    if event in ISSUE_EVENTS:
        id = _id(body.get("issue"), "issue.id")
        if event == "jira:issue_deleted" and signed:
            return [gone("issue", id)]
        return [Fetch("issue", [id])]
    return []  # sprints, versions, projects, worklogs: not ours


def _comment(body: Any, *, deleted: bool) -> Sequence[Parsed]:
    id = _id(body.get("comment"), "comment.id")
    return [gone("comment", id)] if deleted else [Fetch("comment", [id])]


def _id(value: Any, place: str) -> str:
    id = part(value, "id")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not (id.isascii() and id.isdigit()):
        raise PayloadError(f"A Jira webhook without {place}.", place)
    return id
