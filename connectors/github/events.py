"""GitHub's webhook deliveries: genuine or not, and what they say. Pure.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from connectors.github.records import Row, comment_record, issue_record
from connectors.sdk import Delivery, Parsed, PayloadError, SignatureError, WebhookConfig
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.senders import new_id, sign_hmac, with_default
from connectors.sdk.signatures import GITHUB, check_hmac

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_DELIVERY = re.compile(r"[A-Za-z0-9._:-]{1,100}")
GONE = frozenset({"deleted", "transferred"})


def verify(delivery: Delivery, webhook: WebhookConfig) -> str | None:
    """The delivery's GUID if one of the secrets signed the raw body; else SignatureError.

    The older `X-Hub-Signature` (SHA-1) is not looked at.
    """
    if webhook.secret or not webhook.unsigned:
        match = _SIGNATURE.fullmatch(delivery.headers.get("x-hub-signature-256", ""))
        if not match:
            raise SignatureError("X-Hub-Signature-256 is missing or malformed.")
        check_hmac(delivery.body, webhook.secret, [match[1]])
    guid = delivery.headers.get("x-github-delivery", "")
    return guid if _DELIVERY.fullmatch(guid) else None


def sign(delivery: Delivery, webhook: WebhookConfig, id: str) -> Delivery:
    """As GitHub sends it; the event is read off the body where no header names it."""
    delivery = with_default(delivery, "content-type", "application/json")
    delivery = with_default(delivery, "x-github-delivery", id or new_id())
    if not event_of(delivery):
        with suppress(PayloadError):
            delivery = with_default(delivery, "x-github-event", _guess(_payload(delivery)))
    return sign_hmac(GITHUB, delivery, webhook.secret)


def event_of(delivery: Delivery) -> str:
    """The name of the event; empty if the header is missing."""
    return delivery.headers.get("x-github-event", "").strip().lower()


def parse(delivery: Delivery) -> list[Parsed]:
    """The records in a delivery; nothing for events that say nothing about issues or comments.

    Raises PayloadError where the body is not what GitHub sends for its event.
    """
    payload = _payload(delivery)
    event = event_of(delivery) or _guess(payload)
    handle = HANDLED.get(event)
    return handle(payload) if handle else []


def _payload(delivery: Delivery) -> Row:
    body = delivery.body
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
            body = fields["payload"][0].encode()
        except (ValueError, KeyError):
            raise PayloadError(
                "A form without the field 'payload'. Choose the content type application/json "
                "in the webhook's settings.",
                "body",
            ) from None
    value = decode_json(body, "the delivery")
    if not isinstance(value, dict):
        raise PayloadError("A delivery is a JSON object; this one is not.", "body")
    return value


def _guess(payload: Row) -> str:
    if "comment" in payload and "issue" in payload:
        return "issue_comment"
    if "issue" in payload:
        return "issues"
    if "zen" in payload:
        return "ping"
    raise PayloadError(
        "The header X-GitHub-Event is missing and the body does not tell.", "x-github-event"
    )


def _issues(payload: Row) -> list[Parsed]:
    action = payload.get("action")
    record = issue_record(
        _object(payload, "issue"),
        _repository(payload, "repository"),
        actor=_sender(payload),
        deleted=action in GONE,
    )
    # transferred: a new issue in another repository, with a new id, and the same thing all the same
    changes = payload.get("changes")
    moved = changes if action == "transferred" and isinstance(changes, Mapping) else {}
    if "new_issue" in moved and "new_repository" in moved:
        new = issue_record(
            _object(moved, "new_issue"),
            _repository(moved, "new_repository"),
            actor=_sender(payload),
        )
        return [replace(new, former=(record.id,))]
    return [record]


def _issue_comment(payload: Row) -> list[Parsed]:
    repository, actor = _repository(payload, "repository"), _sender(payload)
    # the issue comes first, so that the comment finds its parent; who wrote the comment did not
    # edit the issue
    issue = issue_record(_object(payload, "issue"), repository)
    comment = comment_record(
        _object(payload, "comment"),
        repository,
        parent=issue.id,
        actor=actor,
        deleted=payload.get("action") in GONE,
    )
    return [issue, comment]


def _ignored(_: Row) -> list[Parsed]:
    return []


HANDLED: Mapping[str, Callable[[Row], list[Parsed]]] = {
    "issues": _issues,
    "issue_comment": _issue_comment,
    # knowingly ignored: they arrive when somebody ticks "send me everything", and whatever they
    # change about an issue is told by `issues` too. Events not in this table are ignored as well:
    # GitHub adds some every year.
    "ping": _ignored,
    "label": _ignored,
    "milestone": _ignored,
    "meta": _ignored,
    "pull_request": _ignored,
    "push": _ignored,
    "star": _ignored,
    "watch": _ignored,
}


def _object(payload: Mapping[str, Any], key: str) -> Row:
    value = payload.get(key)
    if not isinstance(value, dict):
        raise PayloadError(f"The delivery has no {key}.", key)
    return value


def _repository(payload: Mapping[str, Any], key: str) -> str:
    name = _object(payload, key).get("full_name")
    if not isinstance(name, str) or name.count("/") != 1:
        raise PayloadError(f"{key}.full_name is not owner/name.", f"{key}.full_name")
    return name


def _sender(payload: Row) -> str | None:
    sender = payload.get("sender")
    login = sender.get("login") if isinstance(sender, dict) else None
    return login if isinstance(login, str) else None
