"""What vendors want answered beside their deliveries: probes, challenges, secrets handed over. Each
function gives the reply, or None for what is no handshake of its kind.
"""

from __future__ import annotations

import html
import json
import re

from connectors.sdk.errors import PayloadError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.records import Delivery, Json, Reply

_TEXT = {"content-type": "text/plain; charset=utf-8"}
_SECRET = re.compile(r"[\x21-\x7e]{16,500}")
_CHALLENGE = re.compile(r"[A-Za-z0-9._~+/=-]{8,256}")
LONGEST = 4096
"""Characters of a validation token; Microsoft's have some hundred."""


def slack_challenge(delivery: Delivery) -> Reply | None:
    """Slack's url_verification, which it signs like everything else: offer it only what is genuine.
    https://docs.slack.dev/reference/events/url_verification
    """
    asked = _small(delivery)
    if not isinstance(asked, dict) or asked.get("type") != "url_verification":
        return None
    challenge = asked.get("challenge")
    if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
        return None
    return Reply(200, challenge.encode(), _TEXT)


def github_ping(delivery: Delivery) -> Reply | None:
    """The `ping` that GitHub sends when a webhook is made; it brings no record.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping
    """
    if delivery.method.upper() != "POST" or delivery.headers.get("x-github-event") != "ping":
        return None
    return Reply(200, json.dumps({"status": "pong"}).encode(), {"content-type": "application/json"})


def asana_secret(delivery: Delivery) -> Reply | None:
    """The secret that Asana hands over while a webhook is made: stored, and echoed. Nobody can have
    signed it, so whoever stores it must know that one is awaited.
    https://developers.asana.com/docs/webhooks-guide#the-webhook-handshake
    """
    secret = delivery.headers.get("x-hook-secret", "")
    if delivery.method.upper() != "POST" or "x-hook-signature" in delivery.headers:
        return None
    if not _SECRET.fullmatch(secret):
        return None
    return Reply(200, b"", {"x-hook-secret": secret}, secret=secret)


def graph_validation(delivery: Delivery) -> Reply | None:
    """The validation token in the query, given back as text within ten seconds. Anybody may ask, so
    it is escaped, and never anything that a browser would run.
    https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
    """
    token = delivery.query.get("validationToken", "")
    if delivery.method.upper() != "POST" or not 0 < len(token) <= LONGEST:
        return None
    if not token.isprintable():
        return None
    return Reply(200, html.escape(token).encode(), _TEXT)


def trello_probe(delivery: Delivery) -> Reply | None:
    """The HEAD by which Trello looks whether somebody is there.
    https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
    """
    return Reply(200) if delivery.method.upper() == "HEAD" else None


def google_sync(delivery: Delivery) -> Reply | None:
    """The first message of a channel, which says only that it is open.
    https://developers.google.com/workspace/drive/api/guides/push#sync
    """
    return Reply() if delivery.headers.get("x-goog-resource-state") == "sync" else None


def cloud_events_permission(delivery: Delivery, origins: list[str], rate: int) -> Reply | None:
    """The answer to a CloudEvents sender that asks whether it may send, if it is a known one. Its
    callback address is never called.
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
    """
    origin = delivery.headers.get("webhook-request-origin", "")
    if delivery.method.upper() != "OPTIONS" or origin.lower() not in map(str.lower, origins):
        return None
    headers = {
        "webhook-allowed-origin": origin,
        "webhook-allowed-rate": str(rate),
        "allow": "POST, OPTIONS",
    }
    return Reply(200, headers=headers)


def _small(delivery: Delivery) -> Json:
    if delivery.method.upper() != "POST" or len(delivery.body) > 2000:
        return None
    try:
        return decode_json(delivery.body, "the delivery")
    except PayloadError:
        return None
