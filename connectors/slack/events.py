"""What Slack posts to us: events, and what people do with our buttons. Pure.

https://docs.slack.dev/authentication/verifying-requests-from-slack
https://docs.slack.dev/apis/events-api and https://docs.slack.dev/reference/interaction-payloads
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from connectors.sdk import (
    Answer,
    Delivery,
    Fetch,
    Parsed,
    PayloadError,
    PullHint,
    Reply,
    SignatureError,
    WebhookConfig,
)
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.senders import sign_hmac, with_default
from connectors.sdk.signatures import SLACK, check_fresh, check_hmac
from connectors.slack.blocks import CHOSEN
from connectors.slack.mrkdwn import plain
from connectors.slack.records import (
    MESSAGE,
    WRITTEN,
    Row,
    gone_record,
    is_gone,
    message_id,
    message_record,
    thread_of,
    ts_of,
    user_record,
)

_SIGNATURE = re.compile(r"v0=([0-9a-f]{64})")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,150}")
_CHALLENGE = re.compile(r"[A-Za-z0-9._~+/=-]{8,256}")
_FORM = "application/x-www-form-urlencoded"


def verify(delivery: Delivery, webhook: WebhookConfig) -> str | None:
    """The event's id if one of the secrets signed `v0:timestamp:body` of late; else
    SignatureError. A repeated delivery (X-Slack-Retry-Num) has the same id.
    """
    if webhook.secret or not webhook.unsigned:
        _check(delivery, webhook)
    try:
        payload = _payload(delivery)
    except PayloadError:
        return None
    if payload.get("type") == "event_callback":
        return _usable(payload.get("event_id"))
    return _usable(payload.get("trigger_id"))


def sign(delivery: Delivery, webhook: WebhookConfig) -> Delivery:
    """As Slack sends it: an interaction as a form, an event as JSON."""
    form = delivery.body.startswith(b"payload=")
    delivery = with_default(delivery, "content-type", _FORM if form else "application/json")
    return sign_hmac(SLACK, delivery, webhook.secret)


def _check(delivery: Delivery, webhook: WebhookConfig) -> None:
    stamp = delivery.headers.get("x-slack-request-timestamp", "")
    match = _SIGNATURE.fullmatch(delivery.headers.get("x-slack-signature", ""))
    if not match:
        raise SignatureError("X-Slack-Signature is missing or malformed.")
    check_fresh(stamp, delivery.received_at)
    check_hmac(b"v0:" + stamp.encode() + b":" + delivery.body, webhook.secret, [match[1]])


def _usable(id: Any) -> str | None:
    return id if isinstance(id, str) and _ID.fullmatch(id) else None


def handshake(delivery: Delivery, webhook: WebhookConfig) -> Reply | None:
    """The challenge, handed back as text. Slack signs it like everything else, so it must be
    genuine as soon as there is a secret to judge it by.
    """
    if delivery.method != "POST" or len(delivery.body) > 2000 or _is_form(delivery):
        return None
    try:
        asked = decode_json(delivery.body, "the delivery")
    except PayloadError:
        return None
    if not isinstance(asked, dict) or asked.get("type") != "url_verification":
        return None
    challenge = asked.get("challenge")
    if asked.keys() - {"type", "challenge", "token"} or not isinstance(challenge, str):
        return None
    if not _CHALLENGE.fullmatch(challenge):
        return None
    if webhook.secret:
        try:
            _check(delivery, webhook)
        except SignatureError:
            return None  # it goes on to `verify`, which says what is wrong
    return Reply(body=challenge.encode(), headers={"content-type": "text/plain; charset=utf-8"})


def acknowledge() -> Reply:
    """Slack wants 200 within three seconds; a body would become a message."""
    return Reply(200, b"")


def _is_form(delivery: Delivery) -> bool:
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == _FORM


def _payload(delivery: Delivery) -> Row:
    body = delivery.body
    if _is_form(delivery):
        try:
            fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=50)
            body = fields["payload"][0].encode()
        except (ValueError, KeyError):
            raise PayloadError(
                "A form without the field 'payload': slash commands are not understood.", "body"
            ) from None
    value = decode_json(body, "the delivery")
    if not isinstance(value, dict):
        raise PayloadError("A delivery is a JSON object; this one is not.", "body")
    return value


def parse(delivery: Delivery) -> list[Parsed]:
    """What a delivery says; nothing for what is knowingly ignored, and for events we never asked
    for: Slack adds some every year. Raises PayloadError.
    """
    payload = _payload(delivery)
    kind = payload.get("type")
    if not isinstance(kind, str):
        raise PayloadError("The delivery has no type.", "type")
    if _is_form(delivery):
        return _clicked(payload) if kind == "block_actions" else []
    if kind == "app_rate_limited":  # events were left out: look for ourselves
        return [PullHint(MESSAGE)]
    if kind != "event_callback":
        return []
    event = _object(payload, "event")
    handle = HANDLED.get(str(event.get("type")))
    return handle(payload, event) if handle else []


# ---------------------------------------------------------------------------------- interactivity


def _clicked(payload: Row) -> list[Parsed]:
    """The buttons that somebody pressed. Buttons that open an address are told of as well, and
    are nobody's answer.
    """
    sender = _sender(payload)
    actions = payload.get("actions")
    if not isinstance(actions, list) or not actions:
        raise PayloadError("The delivery has no actions.", "actions")
    found: list[Parsed] = []
    for action in actions:
        if not isinstance(action, dict):
            raise PayloadError("An action is not an object.", "actions")
        name, token = action.get("action_id"), action.get("value")
        if not isinstance(name, str) or not name.startswith(CHOSEN):
            continue
        if not isinstance(token, str) or not token:
            raise PayloadError("A button of ours came back without its token.", "actions[].value")
        label = action.get("text")
        text = label.get("text") if isinstance(label, dict) else None
        choice = name[len(CHOSEN) :]
        found.append(Answer(token, sender, text if isinstance(text, str) else choice, choice))
    return found


def _sender(payload: Row) -> str:
    """The user's ID; somebody of another workspace (Slack Connect) has its ID in front, so that
    no identity of ours ever fits them.
    """
    user = _object(payload, "user")
    id = user.get("id")
    if not isinstance(id, str) or not id:
        raise PayloadError("The delivery does not say who it was.", "user.id")
    team, enterprise = payload.get("team"), payload.get("enterprise")
    homes = {one.get("id") for one in (team, enterprise) if isinstance(one, dict)}
    home = user.get("team_id")
    return id if home is None or not homes or home in homes else f"{home}/{id}"


# ----------------------------------------------------------------------------------------- events


def _is_ours(payload: Row, row: Row) -> bool:
    """By the app that the event is for, and by the user that it acts as."""
    app = payload.get("api_app_id")
    if app is not None and row.get("app_id") == app:
        return True
    allowed = payload.get("authorizations")
    bots = [
        one.get("user_id")
        for one in (allowed if isinstance(allowed, list) else [])
        if isinstance(one, dict) and one.get("is_bot") is True
    ]
    return row.get("user") is not None and row.get("user") in bots


def _message(payload: Row, event: Row) -> list[Parsed]:
    channel, subtype = _channel(event), event.get("subtype")
    if subtype == "message_deleted":
        before = event.get("previous_message")
        by = before.get("user") if isinstance(before, dict) else None
        ts = event.get("deleted_ts")
        if not isinstance(ts, str):
            raise PayloadError("A deletion does not say what was deleted.", "event.deleted_ts")
        return [gone_record(channel, ts_of({"ts": ts}), by if isinstance(by, str) else None)]
    if subtype == "message_changed":
        row = _object(event, "message", "event.message")
        if is_gone(row):
            return [gone_record(channel, ts_of(row))]
        return _written(payload, row, channel) if row.get("subtype") in WRITTEN else []
    if subtype not in WRITTEN:
        return []
    said = _written(payload, event, channel)
    return said + (_spoken(payload, event) if channel.startswith("D") else [])


def _mention(payload: Row, event: Row) -> list[Parsed]:
    channel = _channel(event)
    return _written(payload, {**event, "type": "message"}, channel) + _spoken(payload, event)


def _written(payload: Row, row: Row, channel: str) -> list[Parsed]:
    """A message as it is; one that may answer us only by name, since what it answers and the
    author's address must be asked for.
    """
    own = _is_ours(payload, row)
    if not own and (thread_of(row) is not None or channel.startswith("D")):
        return [Fetch(MESSAGE, [message_id(channel, ts_of(row))])]
    return [message_record(row, channel, own=own)]


def _spoken(payload: Row, event: Row) -> list[Parsed]:
    """Somebody spoke to us outside any thread: a person must see it, whatever it is about."""
    user = event.get("user")
    mechanical = _is_ours(payload, event) or "bot_id" in event or not isinstance(user, str)
    if mechanical or thread_of(event) is not None or event.get("edited"):
        return []
    text = plain(str(event.get("text") or ""))
    return [Answer(None, str(user), text)] if text else []


def _person(payload: Row, event: Row) -> list[Parsed]:
    return [user_record(_object(event, "user", "event.user"))]


def _ignored(payload: Row, event: Row) -> list[Parsed]:
    return []


HANDLED: Mapping[str, Callable[[Row, Row], list[Parsed]]] = {
    "message": _message,
    "app_mention": _mention,
    "user_change": _person,
    "team_join": _person,
    # knowingly ignored: they tell nothing that a message or a person does not tell too
    "user_profile_changed": _ignored,
    "reaction_added": _ignored,
    "reaction_removed": _ignored,
    "member_joined_channel": _ignored,
    "channel_archive": _ignored,
    "app_home_opened": _ignored,
    "message_metadata_posted": _ignored,
    "tokens_revoked": _ignored,  # the next request is refused, and says what to do
    "app_uninstalled": _ignored,
}


def _object(payload: Mapping[str, Any], key: str, place: str = "") -> Row:
    value = payload.get(key)
    if not isinstance(value, dict):
        raise PayloadError(f"The delivery has no {key}.", place or key)
    return value


def _channel(event: Row) -> str:
    channel = event.get("channel")
    if not isinstance(channel, str) or not channel:
        raise PayloadError("The event does not say in which channel.", "event.channel")
    return channel
