"""Jira's webhooks: two ways of proving themselves, one way of reading them.

Every delivery is a hint and the record is read anew: bodies are in the format of REST v2, arrive in
no order, and up to 15 minutes late.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.jira.config import JiraConfig
from connectors.jira.records import gone, part
from connectors.sdk import Delivery, Fetch, Parsed, PayloadError, SignatureError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.jwt import bearer, check_jwt
from connectors.sdk.senders import new_id, sign_hmac, sign_jwt, with_default
from connectors.sdk.signatures import JIRA, TOLERANCE

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
    if JIRA.header in delivery.headers:
        JIRA.check(delivery, settings.webhook.secret)
    elif settings.auth.client_secret is not None:
        secret = settings.auth.client_secret
        check_jwt(bearer(delivery), [secret], delivery.received_at, tolerance=TOLERANCE)
    else:
        raise SignatureError("The header X-Hub-Signature is missing: give the webhook a secret.")
    return delivery.headers.get("x-atlassian-webhook-identifier") or None


def sign(delivery: Delivery, settings: JiraConfig, id: str) -> Delivery:
    """As an administrator's webhook, or without a secret for one as an OAuth app's."""
    delivery = with_default(delivery, "content-type", "application/json")
    delivery = with_default(delivery, "x-atlassian-webhook-identifier", id or new_id())
    client = settings.auth.client_secret
    if client is None or any(one.get_secret_value() for one in settings.webhook.secret):
        return sign_hmac(JIRA, delivery, settings.webhook.secret)
    return sign_jwt(delivery, [client], {"iss": settings.auth.client_id}, kind="Bearer")


def parse(delivery: Delivery) -> Sequence[Parsed]:
    """The issue or comment to read; a deletion itself where the signature covers what says so."""
    body = decode_json(delivery.body, "a Jira webhook")
    if not isinstance(body, dict):
        raise PayloadError("A Jira webhook that is no object.", "webhook")
    event = body.get("webhookEvent")
    if not isinstance(event, str):
        raise PayloadError("A Jira webhook without webhookEvent.", "webhookEvent")
    signed = JIRA.header in delivery.headers
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
